"""Gather what all shards of a script spoke into one manifest, in the script's order; files stay where they are.

Reads   plan/                 from plan-script
        ledgers/<shard>.jsonl what became of each line, from synthesize
Writes  manifest.jsonl        a row for each line and voice: line, speaker, file, text, language, speed, seed, voice,
                              seconds, and what was heard; or line, speaker, text and why it was
                              dropped
Fails   where a line is missing, and where nothing at all was spoken
"""

from voicemill.contract import InputDir, Ledger, OutputFile, stage


@stage(family="publish", cpu=1, memory="2Gi", results=("spoken", "not_spoken", "seconds"), kept=("manifest",))
def collect_speech(plan: InputDir, ledgers: InputDir, manifest: OutputFile, *, place: str) -> Ledger:
    """Gather what all shards of a script spoke into one manifest, in the script's order; files stay where they are.

    Args:
        plan: The shards, from plan-script.
        ledgers: The ledgers of the shards, from synthesize.
        manifest: One row for each line and voice.
        place: Where a shard's files are, with {speaker} and {shard} in place of its own.
    """
    from collections import Counter

    from voicemill.synthesis.bulk import gather, read_plan

    voices = gather(plan, ledgers, manifest, place=place)
    ledger = Ledger()
    for voice in voices:
        counts = {"speaker": voice.speaker, "spoken": voice.spoken, "dropped_lines": voice.dropped}
        counts |= {"verification": dict(voice.outcomes)} if voice.outcomes else {}
        if voice.spoken:
            ledger.keep(voice.voice, seconds=round(voice.seconds, 3), **counts)
        else:
            ledger.drop(voice.voice, f"it could not speak any of its lines; first reason: {voice.reason}", **counts)
    ledger.require(1, "voices that spoke at least one line")
    not_spoken = read_plan(plan).empty + sum(voice.dropped for voice in voices)
    ledger.note(spoken=sum(voice.spoken for voice in voices), not_spoken=not_spoken)
    outcomes, causes = (sum((getattr(voice, name) for voice in voices), Counter()) for name in ("outcomes", "causes"))
    if outcomes:
        ledger.note(verification={**outcomes, "failed_at_first_for": dict(causes.most_common())})
    return ledger


if __name__ == "__main__":
    collect_speech.main()
