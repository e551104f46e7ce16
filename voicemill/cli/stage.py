"""`voicemill stage NAME`: one stage on this machine, with the options that its declaration gives it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Annotated

import typer

from voicemill.core.errors import UsageError

app = typer.Typer(add_completion=False)


def names() -> list[str]:
    """Every stage's name, as on the command line."""
    from voicemill import stages

    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(stages.__path__))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="",
)
def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the stage.", show_default=False)] = "",
) -> None:
    """Run one stage; `voicemill stage NAME --help` shows its options, `voicemill stage` lists the names."""
    from voicemill.contract import Stage, renames

    if name in ("", "--help", "-h"):
        typer.echo("Usage: voicemill stage NAME [OPTIONS]\n\nStages: " + ", ".join(names()))
        return
    wanted = name.replace("_", "-")
    if rename := renames.of_stages().get(wanted):
        rename.warn()
        wanted = rename.new
    if wanted not in names():
        near = difflib.get_close_matches(wanted, names(), 1)
        raise UsageError(f"unknown stage {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    module = importlib.import_module(f"voicemill.stages.{wanted.replace('-', '_')}")
    declared = next(value for value in vars(module).values() if isinstance(value, Stage))
    declared.main(context.args)
