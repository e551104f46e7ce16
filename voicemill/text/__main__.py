"""Show how a text is read: `python -m voicemill.text "..." --language auto`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicemill.core.errors import known
from voicemill.text import ROUTES, Lexicon, Phonemes, Reading, phonemize
from voicemill.text.mandarin.g2pw import G2pw

_LANGUAGES = f"One of {', '.join(ROUTES)}."


def show(
    text: Annotated[str, typer.Argument(help="What to read; - for standard input.")],
    language: Annotated[str, typer.Option(help=_LANGUAGES)] = "auto",
    version: Annotated[str, typer.Option(help="Model version: v1 or v2 and later.")] = "v2",
    lexicon: Annotated[Path | None, typer.Option(help="Your own pronunciations: lexicon.csv.")] = None,
    g2pw: Annotated[
        Path | None,
        typer.Option(help="Read polyphones by g2pW: the folder G2PWModel, beside the BERT's."),
    ] = None,
    as_reference: Annotated[bool, typer.Option(help="Misread figures as the reference does.")] = False,
) -> None:
    """Print the stretches of a text, what is said for them and the phones."""
    text = sys.stdin.read() if text == "-" else text
    try:
        tokenizer = g2pw.parent / "chinese-roberta-wwm-ext-large" / "tokenizer.json" if g2pw else Path()
        reading = Reading(Lexicon.read(lexicon) if lexicon else None, G2pw(g2pw, tokenizer) if g2pw else None)
        phonemes = phonemize(text, language, version, as_reference=as_reference, reading=reading)
    except Exception as error:
        told = known(error)
        if told is None:
            raise
        typer.echo(told, err=True)
        raise typer.Exit(told.exit_code) from error
    _print(phonemes)


def _print(phonemes: Phonemes) -> None:
    table = Table("language", "text", "said", "phones")
    for segment in phonemes.segments:
        table.add_row(segment.language, segment.text, segment.norm_text, " ".join(segment.phones))
    console = Console()
    console.print(table)
    console.print("ids:", " ".join(map(str, phonemes.ids)), highlight=False, soft_wrap=True)
    for silent in phonemes.unpronounced:
        console.print(f"not heard: {silent}", highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(show)
