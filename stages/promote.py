"""Promote a new voice that is not worse, and fail where it is.

Reads   comparison/verdict.json   what compare found
Writes  admission/admission.json  what was done
"""

from voicemill.contract import Destination, InputDir, Ledger, OutputDir, stage


@stage(family="publish", cpu=1, memory="1Gi", results=("promoted",))
def promote(
    comparison: InputDir, admission: OutputDir, *, digest: str, registry: Destination, alias: str = "prod"
) -> Ledger:
    """Promote a new voice that is not worse, and fail where it is.

    A voice that is worse ends with exit code 65: it stays in the registry, and nothing points at it but `latest`.

    Args:
        comparison: What compare found.
        admission: Where what was done is noted.
        digest: Of all that the voice depends on, so that it is not built again.
        registry: Folder or s3:// address of the registry.
        alias: What the voice becomes.
    """
    import json

    from voicemill.core.errors import InputError
    from voicemill.evaluation import promotion_gate
    from voicemill.registry import aliases, builds, documents, names, open_registry, publication, resolve

    found = promotion_gate.read(comparison / "verdict.json")
    speaker, version = found.speaker, found.new.version
    store = open_registry(registry)
    before = builds.built(store, speaker, digest)
    if found.outcome != "unchanged":
        builds.remember(store, speaker, digest, builds.Build(version, found.outcome))
    elif before and before.outcome == "worse":
        raise InputError(f"nothing changed since {speaker}@{version} was found worse than {alias}")
    if found.outcome == "worse":
        raise InputError(found.sentence)
    if found.may_be_promoted:
        record = resolve(store, names.Reference(speaker, version))
        publication.check(store, record)
        aliases.promote(store, record, alias, by=documents.who(), why=found.sentence)
    content = {"promoted": found.may_be_promoted, "version": version, "sentence": found.sentence}
    (admission / "admission.json").write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    ledger = Ledger()
    ledger.keep(version)
    ledger.note(promoted=found.may_be_promoted, sentence=found.sentence)
    return ledger


if __name__ == "__main__":
    promote.main()
