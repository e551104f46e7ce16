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
    compare_lines: Annotated[int, Ge(1)] = 60,
    most_takes: Annotated[int, Ge(1)] = 4,
    seed: Seed = 1234,
    backend: Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"] = "auto",
    max_error_rate_rise: Annotated[float, Ge(0)] = 0.09,
    max_similarity_drop: Annotated[float, Ge(0)] = 0.03,
    max_failing_rise: Annotated[float, Ge(0)] = 0.2,
) -> Ledger:
    """Let a new voice and the promoted one speak the same lines, and say whether the new one is worse.

    Each speaks with the options that `evaluate` chose its weights with. A voice is not worse when, with 95 % chance,
    it is within the margins of the promoted one: by a paired bootstrap over the lines.

    Args:
        voice: The new voice; none if nothing had to be built.
        comparison: Where the reports and the sound go.
        speaker: Name of the voice.
        known: The version that was built from the same things before; empty if one was built now.
        models: Models folder, for HuBERT, BERT and the recogniser.
        registry: Folder or s3:// address of the registry.
        alias: Name of the promoted version.
        compare_lines: How many lines each speaks; there are sixty of each language, and with fewer a voice that is
            equal is refused more often.
        most_takes: How often they speak the lines at most: again with other seeds where one take does not tell.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors: whisper, pocketsphinx (English), or auto.
        max_error_rate_rise: Margin of the error rate: by how much it may be higher, with 95 % chance at most.
        max_similarity_drop: Margin of the likeness: by how much it may be lower, with 95 % chance at most.
        max_failing_rise: Margin of the share of lines that fail verification, and would have to be mended: by how
            much it may be higher, with 95 % chance at most.
    """
    import json
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from voicemill.core.errors import UsageError
    from voicemill.evaluation import promotion_gate as verdicts
    from voicemill.evaluation.compare import Listening, decide
    from voicemill.models import resolve_local
    from voicemill.registry import aliases, names, open_registry, pull, version_of
    from voicemill.registry.records import lineage_and_metrics

    store = open_registry(registry)
    tolerance = verdicts.Tolerance(max_error_rate_rise, max_similarity_drop, max_failing_rise)
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
            names_of = ("error_rate", "similarity", "failing")
            heard = verdicts.Heard(version, **{name: best.get(name, 0.0) for name in names_of})
            found = verdicts.judge(speaker, alias, heard, None, tolerance)
        else:
            folders = {version: voice}
            with tempfile.TemporaryDirectory() as place:
                if promoted.version != version:
                    folders[promoted.version] = pull(store, speaker, promoted.version, Path(place) / "promoted")
                options = {"lines": compare_lines, "seed": seed, "backend": backend}
                listening = Listening(folders, comparison / "audio", resolve_local(models), **options)
                known_as = (speaker, alias, version, promoted.version)
                found = decide(listening, *known_as, tolerance, most_takes=most_takes)
    content = json.dumps(verdicts.as_json(found), ensure_ascii=False, indent=2)
    (comparison / "verdict.json").write_text(content + "\n", encoding="utf-8")
    (comparison / "junit.xml").write_text(verdicts.as_junit(found), encoding="utf-8")
    (comparison / "report.md").write_text(verdicts.as_markdown(found), encoding="utf-8")
    ledger = Ledger()
    for gate in found.gates:
        ledger.keep(gate.name, **{key: value for key, value in asdict(gate).items() if key != "name"})
    ledger.note(outcome=found.outcome, sentence=found.sentence)
    return ledger


if __name__ == "__main__":
    compare.main()
