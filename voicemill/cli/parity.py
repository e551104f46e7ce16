"""`voicemill parity DIR`: compare this implementation with golden numbers of GPT-SoVITS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def parity(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with manifest.json.")],
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Cases to run, such as 'A_s2/v2_*'.")] = "*",
) -> None:
    """Run every recorded case and count which passed, failed, or differ on purpose (docs/explanation/decisions.md)."""
    from voicemill.parity import runner

    outcomes = runner.run(folder, only)
    counts = {status: sum(o.status == status for o in outcomes) for status in ("passed", "failed", "differs")}
    if counts["differs"]:
        typer.echo(f"{counts['differs']} differ on purpose (docs/explanation/decisions.md)")
    typer.echo(f"{counts['passed']} passed, {counts['failed']} failed")
    if counts["failed"] or not outcomes:
        raise typer.Exit(1)
