"""Let a new voice and the promoted one speak the same lines, and say whether the new one is worse.

Reads   voice/                the new voice, if one was built
        registry              what the alias points at
Writes  comparison/verdict.json, junit.xml, report.md   what was found
        comparison/audio/<version>/*.wav                what they said
"""

from typing import Annotated, Literal

from annotated_types import Ge

from voicemill.contract import Destination, FolderLocation, InputDir, Ledger, OutputDir, Seed, stage
from voicemill.registry.names import AliasName, SpeakerName


@stage(family="evaluation", cpu=2, memory="8Gi", gpu_memory="4Gi", results=("outcome",), kept=("comparison",))
def compare(
    voice: InputDir | None,
    comparison: OutputDir,
    *,
    speaker: SpeakerName,
    known: str = "",
    models: FolderLocation,
    registry: Destination,
    alias: AliasName = "prod",
    compare_lines: Annotated[int, Ge(1)] = 6,
    seed: Seed = 1234,
    backend: Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"] = "auto",
    max_error_rate_rise: Annotated[float, Ge(0)] = 0.02,
    max_similarity_drop: Annotated[float, Ge(0)] = 0.02,
) -> Ledger:
    """Let a new voice and the promoted one speak the same lines, and say whether the new one is worse.

    Each speaks with the options that `evaluate` chose its weights with (the voice's metrics.json has them).

    Args:
        voice: The new voice; none if nothing had to be built.
        comparison: Where the reports and the sound go.
        speaker: Name of the voice.
        known: The version that was built from the same things before; empty if one was built now.
        models: Models folder, for HuBERT, BERT and the recogniser.
        registry: Folder or s3:// address of the registry.
        alias: Name of the promoted version.
        compare_lines: How many lines each speaks.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors: whisper, pocketsphinx (English), or auto.
        max_error_rate_rise: By how much the error rate may be higher and still count as not worse.
        max_similarity_drop: By how much the likeness may be lower and still count as not worse.
    """
    import json
    import tempfile
    from pathlib import Path

    from voicemill.core.errors import UsageError
    from voicemill.evaluation import promotion_gate as verdicts
    from voicemill.evaluation.compare import listen
    from voicemill.models import resolve_local
    from voicemill.registry import aliases, names, open_registry, pull, version_of
    from voicemill.registry.records import lineage_and_metrics

    store = open_registry(registry)
    if known:
        found = verdicts.Verdict("unchanged", speaker, alias, verdicts.Heard(known, 0.0, 0.0))
    elif voice is None:
        raise UsageError("give the voice to compare with --voice, or --known if there is none")
    else:
        version = version_of(voice).version
        promoted = aliases.read(store, names.check_speaker(speaker), alias)
        if promoted is None:
            # Nothing to compare with: what evaluate measured stands.
            best = lineage_and_metrics(voice)[1].get("best", {})
            measures = (best.get(name, 0.0) for name in ("error_rate", "similarity"))
            heard, old = {version: verdicts.Heard(version, *measures)}, None
        else:
            folders = {version: voice}
            with tempfile.TemporaryDirectory() as place:
                if promoted.version != version:
                    folders[promoted.version] = pull(store, speaker, promoted.version, Path(place) / "promoted")
                heard = listen(
                    folders,
                    comparison / "audio",
                    resolve_local(models),
                    lines=compare_lines,
                    seed=seed,
                    backend=backend,
                )
            old = heard[promoted.version]
        tolerance = verdicts.Tolerance(max_error_rate_rise, max_similarity_drop)
        found = verdicts.judge(speaker, alias, heard[version], old, tolerance)
    content = json.dumps(verdicts.as_json(found), ensure_ascii=False, indent=2)
    (comparison / "verdict.json").write_text(content + "\n", encoding="utf-8")
    (comparison / "junit.xml").write_text(verdicts.as_junit(found), encoding="utf-8")
    (comparison / "report.md").write_text(verdicts.as_markdown(found), encoding="utf-8")
    ledger = Ledger()
    for gate in found.gates:
        ledger.keep(gate.name, new=gate.new, old=gate.old, limit=gate.limit, passed=gate.passed)
    ledger.note(outcome=found.outcome, sentence=found.sentence)
    return ledger


if __name__ == "__main__":
    compare.main()
