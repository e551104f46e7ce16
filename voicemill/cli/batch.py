"""`voicemill batch`: many voices from a manifest, on this machine or on a cluster."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voicemill.core.display import json_printable
from voicemill.core.errors import InputError

Manifest = Annotated[
    Path, typer.Argument(help="CSV or JSON lines: speaker, source, and parameters that differ from the others'.")
]
Pairs = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A parameter for all speakers.")
]
Makes = Annotated[str, typer.Option("--workflow", help="Workflow that makes a voice.")]
Ratio = Annotated[float, typer.Option(min=0, max=1, help="Share of speakers that must get a voice for exit code 0.")]
GpuPrice = Annotated[float, typer.Option(min=0, help="Price of a GPU hour, for the estimate of cost.")]
CpuPrice = Annotated[float, typer.Option(min=0, help="Price of a CPU core's hour.")]
AtOnce = Annotated[int | None, typer.Option("--at-once", min=1, hidden=True)]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace of the runs.", show_default="the kubeconfig's")
]


class _RunByDefault(TyperGroup):
    """`voicemill batch MANIFEST` is `voicemill batch run MANIFEST`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_RunByDefault, help="Many voices from a manifest.", no_args_is_help=True)


@app.command()
def run(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", help="The batch's folder. Run again with the same one to resume.")],
    parameter: Pairs = None,
    workflow: Makes = "clone-voice",
    max_parallel: Annotated[
        int | None, typer.Option(min=1, help="Speakers worked on at once; default: two, or two for each GPU.")
    ] = None,
    at_once: AtOnce = None,
    min_success_ratio: Ratio = 1.0,
    gpu_hour: GpuPrice = 0.0,
    cpu_hour: CpuPrice = 0.0,
    approve: Annotated[list[str] | None, typer.Option(help="Approve this suspended node of every run.")] = None,
    cpus: Annotated[float | None, typer.Option(help="CPU cores to use; default: all.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory to use, such as 12Gi; default: all.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs to use; default: all.")] = None,
    grace: Annotated[float, typer.Option(help="Seconds a stage has to save its work when it is stopped.")] = 30.0,
) -> None:
    """Make a voice for each speaker of a manifest, on this machine.

    The whole manifest is checked first: with any mistake all of them are listed, nothing is started, and it ends with
    65. Speakers who have their voice are not worked on again. At the end DIR/summary.csv and DIR/summary.html tell of
    all. Exit code: 0, or if fewer than --min-success-ratio got a voice 65, 69 where a full disk, S3 or a GPU was to
    blame; 75 or 130 if it was stopped.
    """
    from rich.console import Console

    from voicemill.batch import local, state, summary, view
    from voicemill.cli.run import apart, pairs, room
    from voicemill.contract.code import code_version
    from voicemill.contract.config import own_config
    from voicemill.engine import workflow as workflows
    from voicemill.engine.execution import Options

    max_parallel = _by_old_name(at_once) or max_parallel
    chosen = workflows.load(workflow)
    jobs = _jobs(manifest, pairs(parameter or []), chosen)
    for job in jobs:
        apart(job.values, out)
    prices = (gpu_hour, cpu_hour)
    classes = state.gpu_classes(chosen)
    batch = state.Batch(workflow, str(manifest), tuple(jobs), min_success_ratio, *prices, gpu_classes=classes)
    slots = room(cpus, memory, gpus)
    options = Options(approve=tuple(approve or ()), grace=grace, code_version=code_version, own_config=own_config)
    console = Console()
    with view.Board(console, batch, out.resolve()) as board:
        how_much = local.Room(slots, max_parallel or 2 * max(1, slots.gpus))
        code = local.run(batch, chosen, out, room=how_much, options=options, watcher=board)
    rows = state.states(batch, out.resolve())
    summary.write(batch, rows, out)
    console.print(view.headline(rows), markup=False, highlight=False)
    console.print(f"summary: {out / summary.CSV}, {out / summary.PAGE}", markup=False, highlight=False, soft_wrap=True)
    waits = any(row.outcome == "stopped" for row in rows)
    if code == 0 and not waits and (error := summary.too_few(rows, min_success_ratio)):
        raise error
    raise typer.Exit(code or (75 if waits else 0))


@app.command()
def submit(
    manifest: Manifest,
    parameter: Pairs = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the batch. Submit again with the same name to resume.", show_default="the manifest's name"
        ),
    ] = None,
    workflow: Makes = "clone-voice",
    max_parallel: Annotated[int, typer.Option(min=1, help="Speakers worked on at once.")] = 10,
    at_once: AtOnce = None,
    priority: Annotated[int, typer.Option(help="Of the speakers' runs among all others; higher ones go first.")] = 0,
    queue: Annotated[str, typer.Option(help="Kueue's queue for their pods.")] = "",
    inline: Annotated[
        bool,
        typer.Option(
            "--inline", help="Submit their workflows whole, not as references: smaller objects, fewer requests."
        ),
    ] = False,
    min_success_ratio: Ratio = 1.0,
    gpu_hour: GpuPrice = 0.0,
    cpu_hour: CpuPrice = 0.0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code says how it ended.")] = False,
    namespace: Namespace = None,
    in_pods: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="This parameter's paths are inside the pods (a volume): do not upload them."),
    ] = None,
) -> None:
    """Make a voice for each speaker of a manifest, on a cluster.

    The whole manifest is checked first, as for `run`. Sources and other files of this machine are uploaded by content
    to the bucket $S3_BUCKET: nothing is sent twice. Exit code with --wait: as of `voicemill submit`; 65 if too few got
    a voice.
    """
    from rich.console import Console

    from voicemill.batch import remote, speaker_workflows
    from voicemill.cli import cluster as cluster
    from voicemill.cli.run import pairs
    from voicemill.cluster import following, submission
    from voicemill.cluster.connection import connect

    max_parallel = _by_old_name(at_once) or max_parallel
    name = speaker_workflows.check_name(name or manifest.stem.lower().replace("_", "-"))

    def check(plan: submission.Plan) -> tuple[remote.Request, list[Any]]:
        named = plan.parameters.by_present_names
        elsewhere = frozenset(named(dict.fromkeys(in_pods or (), "")))
        request = remote.Request(manifest, named(pairs(parameter or [])), elsewhere)
        jobs, errors = remote.check(request, plan)
        _refuse(manifest, errors)
        return request, jobs

    with submission.checking_without_cluster(workflow, check):
        api, console = connect(namespace), Console()
        conductor = submission.plan(api, remote.CONDUCTS)
        plan = submission.plan(api, workflow)
    speaker_workflows.check_queue(plan.template, queue)
    request, jobs = check(plan)
    if at_work := remote.running(api, name):
        raise InputError(f"the batch {name} is already running as {at_work[0]}; see `voicemill batch status {name}`")
    given = {
        "manifest": remote.bring(request, plan, jobs, name, cluster.bring),
        "batch": name,
        "workflow": workflow,
        "max-parallel": str(max_parallel),
        "priority": str(priority),
        "queue": queue,
        "inline": "true" if inline else "",
        "min-success-ratio": str(min_success_ratio),
        "gpu-hour": str(gpu_hour),
        "cpu-hour": str(cpu_hour),
    }
    submission.check(conductor, given)
    run = submission.create(api, conductor, given, None, {speaker_workflows.BATCH: name})["metadata"]["name"]
    console.print(f"submitted {run}: {len(jobs)} speakers", soft_wrap=True, highlight=False)
    console.print(f"follow it with `voicemill batch status {name} --watch`", soft_wrap=True, highlight=False)
    if wait:
        raise typer.Exit(following.conclude(following.follow(api, run, following.Lines(console)), console))


@app.command()
def status(
    batch: Annotated[str, typer.Argument(metavar="DIR|NAME", help="The batch's folder, or its name on a cluster.")],
    watch: Annotated[bool, typer.Option("--watch", help="Keep updating until it ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    namespace: Namespace = None,
) -> None:
    """Show how far a batch is: who has a voice, who failed and why, who is worked on."""
    from rich.console import Console
    from rich.live import Live

    from voicemill.batch import view

    look = view.looking_at(batch, namespace)
    seen = look()
    if as_json:
        typer.echo(json_printable(json.dumps([asdict(row) for row in seen.rows], ensure_ascii=False, indent=2)))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=400)
    if watch and console.is_terminal:
        with Live(view.table(seen.rows, priced=seen.priced), console=console) as live:
            while seen.running:
                time.sleep(2)
                seen = look()
                live.update(view.table(seen.rows, priced=seen.priced))
    else:
        console.print(view.table(seen.rows, priced=seen.priced))
    console.print(view.headline(seen.rows), markup=False, highlight=False)
    if seen.remark:
        console.print(seen.remark, markup=False, highlight=False)


@app.command()
def stop(
    name: Annotated[str, typer.Argument(help="The batch's name on a cluster.")], namespace: Namespace = None
) -> None:
    """Stop a batch on a cluster: its speakers' runs are ended, voices that are there stay, the summary is written."""
    from voicemill.batch import remote
    from voicemill.cluster.connection import connect

    api = connect(namespace)
    at_work = remote.running(api, name)
    if not at_work:
        raise InputError(f"the batch {name} is not running in the namespace {api.namespace}")
    for run in at_work:
        api.stop(run)
        typer.echo(f"{run} is being stopped")


@app.command()
def check(
    manifest: Manifest,
    parameter: Pairs = None,
    workflow: Makes = "clone-voice",
) -> None:
    """Check a manifest and start nothing; ends with 65 and all mistakes if there are any."""
    from voicemill.cli.run import pairs
    from voicemill.engine import workflow as workflows

    chosen = workflows.load(workflow)
    jobs = _jobs(manifest, pairs(parameter or []), chosen)
    typer.echo(f"{manifest}: {len(jobs)} speakers, no mistakes")


def _by_old_name(at_once: int | None) -> int | None:
    """The value of --max-parallel where it was given by its old name, --at-once."""
    if at_once is not None:
        from voicemill.contract import renames

        renames.of_options("run-batch")["at-once"].warn()
    return at_once


def _jobs(manifest: Path, common: dict[str, str], chosen: Any) -> list[Any]:
    """What the manifest asks for.

    Raises:
        UsageError: for a common parameter that the workflow lacks or that every speaker has for itself.
        InputError: if there are mistakes, after all of them were told.
    """
    from voicemill.batch import manifest as manifests
    from voicemill.batch import validation
    from voicemill.contract import workflow_parameters

    parameters = workflow_parameters.parameters_of(chosen)
    common = parameters.by_present_names(common)
    workflow_parameters.refuse(chosen.name, validation.problems_of_common(common, chosen, folder=Path.cwd()))
    common = parameters.resolved(common, workflow_parameters.Here())
    jobs, errors = validation.jobs(manifests.read(manifest), common, chosen, folder=manifest.absolute().parent)
    _refuse(manifest, errors)
    return jobs


def _refuse(manifest: Path, errors: list[Any]) -> None:
    """Tell all mistakes, if there are any.

    Raises:
        InputError: if there are.
    """
    for error in errors:
        typer.echo(f"{manifest}:{error.line}: {error.text}", err=True)
    if errors:
        raise InputError(f"{len(errors)} mistakes in {manifest}; nothing was started")
