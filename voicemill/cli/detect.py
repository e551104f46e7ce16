"""`voicemill detect`: whether files are generated speech that is marked."""

from pathlib import Path
from typing import Annotated

import typer


def detect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files of any format.")],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a file, for programs.")] = False,
) -> None:
    """Look for the watermark and the metadata of generated speech, and say how sure that is.

    A file without either may still be generated: marks can be removed, and other software may not mark.
    """
    import json
    from dataclasses import asdict

    from voicemill.core.display import display, json_printable
    from voicemill.synthesis.detection import inspect

    for file in files:
        finding = inspect(file)
        if as_json:
            typer.echo(json_printable(json.dumps(asdict(finding), ensure_ascii=False)))
            continue
        typer.echo(display(str(file)))
        for sentence in finding.sentences():
            typer.echo(f"  {sentence}")
