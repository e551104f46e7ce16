"""`voicemill batch`: many voices from a manifest."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voicemill.errors import InputError, UsageError


class _RunByDefault(TyperGroup):
    """`voicemill batch MANIFEST` is `voicemill batch run MANIFEST`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_RunByDefault, help="Many voices from a manifest.", no_args_is_help=True)


@app.command()
def run(
    manifest: Annotated[
        Path, typer.Argument(help="CSV or JSON lines: speaker, source, and parameters that differ from the others'.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The batch's folder. Run again with the same one to go on.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A parameter for all speakers.")
    ] = None,
    workflow: Annotated[str, typer.Option(help="Workflow that makes a voice.")] = "clone-voice",
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Speakers worked on at once; default: two, or two for each GPU.")
    ] = None,
    min_success_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Share of speakers that must get a voice for exit code 0.")
    ] = 1.0,
    gpu_hour: Annotated[float, typer.Option(min=0, help="Price of a GPU hour, for the estimate of cost.")] = 0.0,
    cpu_hour: Annotated[float, typer.Option(min=0, help="Price of a CPU core's hour.")] = 0.0,
    approve: Annotated[list[str] | None, typer.Option(help="Approve this suspended node of every run.")] = None,
    cpus: Annotated[float | None, typer.Option(help="CPU cores to use; default: all.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory to use, such as 12Gi; default: all.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use; default: all.")] = None,
    grace: Annotated[float, typer.Option(help="Seconds a stage gets to save its work when it is stopped.")] = 30.0,
) -> None:
    """Make a voice for each speaker of a manifest, on this machine.

    The whole manifest is checked first: with any mistake all of them are listed, nothing is started, and it ends with
    65. Speakers who have their voice are not worked on again. At the end DIR/summary.csv and DIR/summary.html tell of
    all. Exit code: 0, or 65 if fewer than --min-success-ratio got a voice, 75 or 130 if it was stopped.
    """
    from rich.console import Console

    from voicemill.batch import running, state, summary, view
    from voicemill.engine import workflow as workflows
    from voicemill.engine.command import absolute, pairs, room
    from voicemill.engine.execution import Options

    chosen = workflows.load(workflow)
    common = absolute(chosen, pairs(parameter or []))
    batch = state.Batch(
        workflow, str(manifest), tuple(_orders(manifest, common, chosen)), min_success_ratio, gpu_hour, cpu_hour
    )
    slots = room(cpus, memory, gpus)
    options = Options(approve=tuple(approve or ()), grace=grace)
    console = Console()
    with view.Board(console, batch, out.resolve()) as board:
        how_much = running.Room(slots, at_once or 2 * max(1, slots.gpus))
        code = running.run(batch, chosen, out, room=how_much, options=options, watcher=board)
    rows = state.states(batch, out.resolve())
    summary.write(batch, rows, out)
    console.print(view.headline(rows), markup=False, highlight=False)
    console.print(f"summary: {out / summary.CSV}, {out / summary.PAGE}", markup=False, highlight=False, soft_wrap=True)
    waits = any(row.outcome == "stopped" for row in rows)
    if code == 0 and not waits and (ratio := summary.success_ratio(rows)) < min_success_ratio:
        raise InputError(f"{ratio:.0%} of the speakers got a voice, and {min_success_ratio:.0%} must; see the summary")
    raise typer.Exit(code or (75 if waits else 0))


@app.command()
def status(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The batch's folder.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until it ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show how far a batch is: who has a voice, who failed and why, who is worked on."""
    from rich.console import Console
    from rich.live import Live

    from voicemill.batch import state, view

    batch = state.read_batch(out)
    rows = state.states(batch, out)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=2))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=400)
    if watch and console.is_terminal:
        with Live(view.table(batch, rows), console=console) as live:
            while state.is_running(out):
                time.sleep(2)
                rows = state.states(batch, out)
                live.update(view.table(batch, rows))
    else:
        console.print(view.table(batch, rows))
    console.print(view.headline(rows), markup=False, highlight=False)


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="CSV or JSON lines.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A parameter for all speakers.")
    ] = None,
    workflow: Annotated[str, typer.Option(help="Workflow that makes a voice.")] = "clone-voice",
) -> None:
    """Check a manifest and start nothing; ends with 65 and all mistakes if there are any."""
    from voicemill.engine import workflow as workflows
    from voicemill.engine.command import absolute, pairs

    chosen = workflows.load(workflow)
    orders = _orders(manifest, absolute(chosen, pairs(parameter or [])), chosen)
    typer.echo(f"{manifest}: {len(orders)} speakers, no mistakes")


def _orders(manifest: Path, common: dict[str, str], chosen: Any) -> list[Any]:
    """What the manifest asks for.

    Raises:
        UsageError: for a common parameter that the workflow lacks or that every speaker has for itself.
        InputError: if there are mistakes, after all of them were told.
    """
    from voicemill.batch import checking
    from voicemill.batch import manifest as manifests

    for name in manifests.REQUIRED:
        if name in common:
            raise UsageError(f"-p {name}: every speaker has a {name} of its own, in the manifest")
    # What is common to all is checked as a row of its own.
    example = manifests.Row(0, {"speaker": "x", "source": str(manifest.absolute()), **common})
    _, wrong = checking.orders(manifests.Manifest([example]), {}, chosen, folder=Path.cwd())
    of_common = [mistake.text for mistake in wrong if " is missing:" not in mistake.text]
    if of_common:
        raise UsageError(f"-p: {'; '.join(of_common)}")
    orders, mistakes = checking.orders(manifests.read(manifest), common, chosen, folder=manifest.absolute().parent)
    for mistake in mistakes:
        typer.echo(f"{manifest}:{mistake.line}: {mistake.text}", err=True)
    if mistakes:
        raise InputError(f"{len(mistakes)} mistakes in {manifest}; nothing was started")
    return orders
