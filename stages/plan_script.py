"""Plan how a script of very many lines is spoken: check it as a whole, and cut it into shards of one voice each.

Reads   script                a text file with one line each, or JSON lines (text; voice, language, speed and seed)
        voices, registry      what says whose voice each is
Writes  plan/plan.json        the shards
        plan/<shard>.jsonl    the lines of a shard, in the script's order
        plan/empty.jsonl      lines on which there is nothing
        (its result `shards`: a list for a fan-out, at most 1,000 however long the script is)
Fails   with all mistakes of the script, by line, before anything is spoken
"""

from typing import Annotated

from annotated_types import Ge

from voicemill.contract import Destination, Ledger, OutputDir, TextOrFile, VoiceLocations, stage


@stage(family="publish", cpu=1, memory="2Gi", results=("shards", "lines"))
def plan_script(
    plan: OutputDir,
    *,
    script: TextOrFile,
    voices: VoiceLocations = "",
    registry: Destination = "",
    shard_lines: Annotated[int, Ge(1)] = 500,
) -> Ledger:
    """Plan how a script of very many lines is spoken: check it as a whole, and cut it into shards of one voice each.

    Args:
        plan: The shards.
        script: A text file with one line each, JSON lines (text; voice, language, speed and seed where they differ), or
            the text itself.
        voices: Voices that speak each line that names none: folders or s3:// addresses of published voices, or with a
            registry SPEAKER, SPEAKER@ALIAS or SPEAKER@VERSION; several are separated by commas.
        registry: Folder or s3:// address of the registry, where voices are named by it.
        shard_lines: Lines that one pod speaks; more where there would be over 1,000 pods.
    """
    from voicemill.synthesis.bulk import planning
    from voicemill.synthesis.bulk.cast import Cast
    from voicemill.synthesis.script import source_of

    ledger = Ledger()
    cast = Cast([name for name in (part.strip() for part in voices.split(",")) if name], registry)
    try:
        made = planning.plan(source_of(script), cast, plan, shard_lines=shard_lines)
    except planning.Mistaken as error:
        for number, (line, text) in enumerate(error.mistakes, start=1):
            ledger.drop(f"mistake {number}", text, line=line)
        raise
    for shard in made.shards:
        ledger.keep(shard.shard, lines=shard.lines, speaker=shard.speaker)
    items = [{"shard": each.shard, "speaker": each.speaker, "voice-at": each.voice} for each in made.shards]
    ledger.note(lines=made.lines, empty=made.empty, to_be_spoken=made.to_be_spoken(), shards=items)
    return ledger


if __name__ == "__main__":
    plan_script.main()
