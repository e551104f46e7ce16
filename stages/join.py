"""Make one audio file of the lines that synthesize spoke, with pauses, chapters and subtitles.

Reads   speech/               lines of a script, from synthesize, with manifest.jsonl
Writes  audio/speech.<format> all lines one after the other, equally loud, marked as generated in its metadata
        audio/speech.srt, .vtt, .json   its subtitles
Fails   where no line was spoken
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import InputDir, Ledger, OutputDir, stage


@stage(family="audio", cpu=1, memory="2Gi", results=("seconds", "chapters"), kept=("audio",))
def join(
    speech: InputDir,
    audio: OutputDir,
    *,
    format: Literal["m4b", "m4a", "mp3", "flac", "wav", "ogg"] = "m4b",
    title: str = "",
    chapters: str = "",
    loudness: Annotated[float, Ge(-40), Le(-8)] = -18.0,
    pauses: Annotated[float, Ge(0), Le(10)] = 1.0,
) -> Ledger:
    """Make one audio file of the lines that synthesize spoke, with pauses, chapters and subtitles.

    Lines that follow an empty line begin a paragraph. Subtitles follow the words where the lines were spoken with
    word times; otherwise the words of a line are spread over it.

    Args:
        speech: Lines that were spoken, from synthesize.
        audio: Where the file and its subtitles go.
        format: The file's format; chapters are written to m4b, m4a and mp3.
        title: Title of the file.
        chapters: Regular expression: lines in which it is found begin chapters; empty finds Chapter, Part, Book,
            Prologue, Epilogue and 第...章 at their beginning.
        loudness: Loudness of the file in LUFS (EBU R128).
        pauses: Factor on the pauses between lines.
    """
    from voicemill.synthesis.joining.joining import join as join_lines
    from voicemill.synthesis.joining.lines import CHAPTER, read_lines

    lines = read_lines(speech, chapters=chapters or CHAPTER)
    file = audio / f"speech.{format}"
    made = join_lines(lines, file, title=title, target_lufs=loudness, pause=pauses)
    ledger = Ledger()
    about = {"lines": len(lines), "lufs_before": round(made.lufs, 1), "gain_db": round(made.gain_db, 1)}
    ledger.keep(file.name, seconds=round(made.seconds, 3), **about)
    ledger.note(chapters=len(made.chapters), word_times=all(bool(line.row.get("words")) for line in lines))
    return ledger


if __name__ == "__main__":
    join.main()
