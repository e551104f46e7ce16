"""`voicemill stage NAME`: one stage on this machine, with the options that its declaration gives it."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from voicemill.core.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="",
)
def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the stage.", show_default=False)] = "",
) -> None:
    """Run one stage; `voicemill stage NAME --help` shows its options, `voicemill stage` lists the names."""
    from voicemill import stages
    from voicemill.contract import renames

    if name in ("", "--help", "-h"):
        typer.echo("Usage: voicemill stage NAME [OPTIONS]\n\nStages: " + ", ".join(stages.names()))
        return
    wanted = name.replace("_", "-")
    if rename := renames.of_stages().get(wanted):
        rename.warn()
        wanted = rename.new
    if wanted not in stages.names():
        near = difflib.get_close_matches(wanted, stages.names(), 1)
        raise UsageError(f"unknown stage {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    stages.named(wanted).main(context.args)
