"""The `voicemill` command. Each subcommand is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import voicemill
from voicemill.core.errors import known
from voicemill.core.extras import MissingExtra, missing

_COMMANDS = {
    "run": ("voicemill.cli.run", "Run a workflow on this machine, or resume one that stopped.", "all"),
    "say": ("voicemill.cli.say", "Say a text by a voice.", "voice"),
    "serve": ("voicemill.cli.serve", "Serve voices by OpenAI's speech API, and on a page.", "serve"),
    "proofread": ("voicemill.cli.proofread", "Proofread transcripts in a web page.", "proofread"),
    "models": ("voicemill.cli.models", "List, fetch and verify pretrained models, or make tiny ones.", "models"),
    "voices": (
        "voicemill.cli.voices",
        "Import and export GPT-SoVITS files, inspect them, and manage registered voices.",
        "voice",
    ),
    "join": ("voicemill.cli.join", "Make one audio file of spoken lines, with chapters and subtitles.", "audio"),
    "detect": ("voicemill.cli.detect", "Tell whether audio files are marked as generated speech.", "voice"),
    "submit": ("voicemill.cli.cluster", "Run a workflow on a Kubernetes cluster.", "workflows"),
    "status": ("voicemill.cli.cluster", "Show the status of a run on a cluster, or list the runs.", "workflows"),
    "logs": ("voicemill.cli.cluster", "Show the logs of a run on a cluster.", "workflows"),
    "stop": ("voicemill.cli.cluster", "Stop a run on a cluster.", "workflows"),
    "resume": ("voicemill.cli.cluster", "Approve a waiting node of a run on a cluster.", "workflows"),
    "batch": ("voicemill.cli.batch", "Make many voices from a manifest.", "workflows"),
    "stage": ("voicemill.cli.stage", "Run one stage on this machine.", "all"),
    "parity": ("voicemill.cli.parity", "Compare outputs with those of GPT-SoVITS, number by number.", "all"),
    "doctor": (
        "voicemill.cli.cluster",
        "Check a cluster: what is missing, and which node fits which stage.",
        "workflows",
    ),
}
"""Name -> module, short help, and the extra with all that it needs. A module has an `app` (typer.Typer), or a function
of the command's name.
"""


class _Deferred(TyperCommand):
    """Stands for a command in the list of commands; the module is imported when it is called."""

    def load(self) -> Any:
        name = str(self.name)
        module = importlib.import_module(_COMMANDS[name][0])
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False)
            app.command(name)(getattr(module, name))
        return typer.main.get_command(app)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return self.load().make_context(*args, **kwargs)


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, (module, *_) in _COMMANDS.items() if _is_there(module)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        return _Deferred(cmd_name, help=_COMMANDS[cmd_name][1])


def _is_there(module: str) -> bool:
    return Path(voicemill.__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py").exists()


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"voicemill {voicemill.__version__}")
        raise typer.Exit


@app.callback()
def _voicemill(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Recordings in, a voice out: GPT-SoVITS fine-tuning as containerized batch jobs."""


def _missing(error: ModuleNotFoundError) -> MissingExtra | None:
    """Return which extra of voicemill lacks for the command that was given."""
    command = next((word for word in sys.argv[1:] if word in _COMMANDS), "run")
    return missing(error, _COMMANDS[command][2])


def main() -> None:
    """The console entry point: errors that are the user's to fix are told in one sentence."""
    try:
        app()
    except Exception as error:
        told = _missing(error) if isinstance(error, ModuleNotFoundError) else known(error)
        if told is None:
            raise
        typer.echo(f"voicemill: {told}", err=True)
        sys.exit(told.exit_code)
