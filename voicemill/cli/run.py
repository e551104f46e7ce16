"""`voicemill run`: a workflow on this machine."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicemill.core.errors import UsageError

if TYPE_CHECKING:
    from voicemill.engine.slots import Request


_GREETINGS = {
    "en": "Good morning.",
    "zh": "早上好。",
    "yue": "早晨。",
    "ja": "おはようございます。",
    "ko": "좋은 아침입니다.",
}


def run(
    workflow: Annotated[
        str, typer.Argument(help="Name of a workflow (clone-voice), or a YAML or Python file that holds one.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder. Run again with the same one to resume.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A parameter of the workflow.")
    ] = None,
    approve: Annotated[
        list[str] | None,
        typer.Option(help="Approve this suspended node when it is reached; `all` approves every one."),
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Without a terminal, wait for approvals instead of ending with exit code 75.")
    ] = False,
    cpus: Annotated[float | None, typer.Option(help="CPU cores to use; default: all.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory to use, such as 12Gi; default: all.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use; default: all.")] = None,
    grace: Annotated[float, typer.Option(help="Seconds a stage has to save its work when it is stopped.")] = 30.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash the outputs of finished tasks in full, to detect any changed byte.")
    ] = False,
) -> None:
    """Run a workflow on this machine, or resume one that stopped.

    Tasks that are done and whose inputs, parameters and code are unchanged are not run again.
    Exit code: 0, or the first failed task's (65: bad data); 75 if it waits for an approval, 130 after Ctrl-C.
    """
    from rich.console import Console

    from voicemill.contract import workflow_parameters
    from voicemill.contract.code import code_version
    from voicemill.contract.config import own_config
    from voicemill.contract.workflow_parameters import Here
    from voicemill.engine import workflow as workflows
    from voicemill.engine.execution import Options
    from voicemill.engine.report import conclude
    from voicemill.engine.run import run as run_workflow
    from voicemill.engine.validation import check_place
    from voicemill.engine.view import view_for

    chosen = workflows.load(workflow)
    check_place(chosen)
    here, known = Here(), workflow_parameters.parameters_of(chosen)
    asked = known.by_present_names(pairs(parameter or []))
    workflow_parameters.refuse(chosen.name, known.problems(asked, here))
    given = known.resolved(workflows.arguments(chosen, asked), here)
    apart(given, out)
    slots = room(cpus, memory, gpus)
    console = Console()
    interactive = console.is_terminal and sys.stdin.isatty()
    options = Options(
        approve=tuple(approve or ()),
        wait=wait,
        ask=interactive,
        grace=grace,
        verify=verify,
        code_version=code_version,
        own_config=own_config,
    )
    view = view_for(console)
    with view:
        result = run_workflow(chosen, given, out, slots=slots, options=options, watchers=(view,), ask=view.ask)
    conclude(result, out, console)
    if result.exit_code == 0 and (out / "voice" / "voice.json").is_file():
        models = given.get("models", "MODELS")
        from voicemill.voice.manifest import read_voice

        language = read_voice(out / "voice", verify=False).language
        console.print(speak_with(out / "voice", models, language), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(result.exit_code)


def speak_with(voice: Path, models: str, language: str) -> str:
    """Return the commands by which somebody hears a voice that was made, in its language."""
    greeting, by = _GREETINGS.get(language, _GREETINGS["en"]), shlex.join(["--models", models])
    return (
        f"Hear it: voicemill say '{greeting}' --voice {shlex.quote(str(voice))} {by} --out hello.wav\n"
        f"On a page: voicemill serve {shlex.quote(str(voice))} {by}"
    )


def apart(values: dict[str, str], out: Path) -> None:
    """Refuse a run folder inside the recordings, which a run would find among them.

    Raises:
        UsageError: if it lies there.
    """
    from voicemill.core.folders import refuse_inside
    from voicemill.storage import is_remote

    source = values.get("source", "")
    if source and not is_remote(source):
        refuse_inside(Path(source), out, f"the run folder {out} lies inside source={source}")


def room(cpus: float | None, memory: str | None, gpus: int | None) -> Request:
    """What of this machine tasks may use: all of what is not said otherwise."""
    from voicemill.engine import slots

    here = slots.machine()
    return slots.Request(
        cpu=here.cpu if cpus is None else cpus,
        memory=here.memory if memory is None else slots.quantity(memory),
        gpus=here.gpus if gpus is None else min(gpus, here.gpus),
    )


def pairs(texts: list[str]) -> dict[str, str]:
    """`key=value` texts as a map; the last of a key counts.

    Raises:
        UsageError: naming a text without an equals sign.
    """
    values: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"-p takes KEY=VALUE, not {text!r}.")
        values[key] = value
    return values
