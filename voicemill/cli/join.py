"""`voicemill join`: one audio file of the lines that `synthesize` spoke, and its subtitles."""

from pathlib import Path
from typing import Annotated

import typer

from voicemill.core.errors import UsageError


def join(
    speech: Annotated[
        Path, typer.Argument(metavar="SPEECH", help="Folder that synthesize wrote, with manifest.jsonl.")
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .wav, .flac, .mp3, .m4b, .m4a or .ogg.")],
    title: Annotated[str, typer.Option(help="Title of the file.")] = "",
    chapters: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="Lines in which this is found begin chapters (m4b, m4a, mp3).",
            show_default="Chapter, Part, Book, Prologue, Epilogue, 第...章",
        ),
    ] = "",
    speaker: Annotated[str, typer.Option(help="Of a script of several voices only the lines of this speaker.")] = "",
    loudness: Annotated[float, typer.Option(min=-40, max=-8, help="Loudness of the file in LUFS (EBU R128).")] = -18.0,
    pause: Annotated[float, typer.Option(min=0, max=10, help="Factor on the pauses between lines.")] = 1.0,
    subtitles: Annotated[
        str, typer.Option(help="Subtitles to write beside it: some of srt, vtt, json, with commas; none writes none.")
    ] = "srt,vtt,json",
) -> None:
    """Make one audio file of a script's lines, with pauses, chapters and subtitles.

    Speak the script with --word-times for subtitles that follow the words; without, words are spread over their line.
    Lines that follow an empty line begin a paragraph.
    """
    from voicemill.synthesis.joining.joining import join as join_lines
    from voicemill.synthesis.joining.lines import CHAPTER, read_lines
    from voicemill.synthesis.subtitles import FORMATS

    endings = [f".{name.strip()}" for name in subtitles.split(",") if name.strip()] if subtitles != "none" else []
    unknown = [ending[1:] for ending in endings if ending not in FORMATS]
    if unknown:
        raise UsageError(f"--subtitles {subtitles}: give some of srt, vtt, json, or none")
    lines = read_lines(speech, chapters=chapters or CHAPTER, speaker=speaker)
    made = join_lines(lines, out, title=title, target_lufs=loudness, pause=pause, endings=endings)
    minutes, seconds = divmod(round(made.seconds), 60)
    typer.echo(
        f"{out}: {minutes}:{seconds:02d} of {len(lines)} lines, {len(made.chapters)} chapters,"
        f" {made.lufs:.1f} LUFS made {made.gain_db:+.1f} dB louder"
    )
    if endings and not all(line.row.get("words") for line in lines):
        typer.echo("word times are estimated: speak the lines with --word-times for those of the words", err=True)
