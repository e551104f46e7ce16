"""`voicemill submit`, `status`, `logs`, `stop`, `resume` and `doctor`: runs on a Kubernetes cluster."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from voicemill.core.display import json_printable
from voicemill.core.errors import InputError, UsageError

Run = Annotated[str, typer.Argument(help="Name of the run, as `voicemill submit` printed it.")]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace of the runs.", show_default="the kubeconfig's")
]
Pairs = Annotated[list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE")]
Form = Literal["table", "json", "name"]
_WIDE = 1000
"""Columns where the output is not a terminal: a program reads it, and nothing is cut or wrapped."""
RUNS = "app.kubernetes.io/part-of=voicemill"


def submit(
    workflow: Annotated[str, typer.Argument(help="clone-voice, synthesize, prepare-models, or a WorkflowTemplate.")],
    parameter: Pairs = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, a line for each task.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the end, with a table of all tasks.")] = False,
    namespace: Namespace = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; generated if not given.")] = None,
    inline: Annotated[
        bool,
        typer.Option("--inline", help="Submit this installation's workflow instead of the cluster's WorkflowTemplate."),
    ] = False,
    in_pods: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="This parameter's path is inside the pods (a volume): do not upload it."),
    ] = None,
) -> None:
    """Run a workflow on a cluster.

    Local files and folders that parameters name are uploaded to the bucket $S3_BUCKET first, by content: nothing is
    sent twice, and an upload that was broken off goes on. Exit code with --wait or --watch: 0 done, 65 the data or
    parameters were at fault, 75 the cluster was, 1 a mistake of the programs, 130 stopped.
    """
    from rich.console import Console

    from voicemill.cli.run import pairs
    from voicemill.cluster import following, submission
    from voicemill.cluster.connection import connect

    console = Console()

    def check(plan: submission.Plan) -> tuple[dict[str, str], frozenset[str]]:
        given = plan.parameters.by_present_names(pairs(parameter or []))
        elsewhere = frozenset(plan.parameters.by_present_names(dict.fromkeys(in_pods or (), "")))
        submission.check(plan, given, elsewhere)
        return given, elsewhere

    if inline:
        plan = submission.plan_here(workflow)
        given, elsewhere = check(plan)
        api = connect(namespace)
    else:
        with submission.checking_without_cluster(workflow, check):
            api = connect(namespace)
            plan = submission.plan(api, workflow)
        given, elsewhere = check(plan)
    uploading = partial(bring, speaker=given.get("speaker"))
    values = submission.place_files(plan, given, elsewhere, uploading)
    run = submission.create(api, plan, values, name)["metadata"]["name"]
    console.print(f"submitted {run} to the namespace {api.namespace}", soft_wrap=True, highlight=False)
    if watch and console.is_terminal:
        with following.Board(console) as board:
            ended = following.follow(api, run, board)
    elif wait or watch:
        ended = following.follow(api, run, following.Lines(console))
    else:
        console.print(f"follow it with `voicemill status {run}` and `voicemill logs {run} --follow`", soft_wrap=True)
        return
    raise typer.Exit(following.conclude(ended, console))


def status(
    run: Annotated[str | None, typer.Argument(help="Name of the run; without it, all runs are listed.")] = None,
    namespace: Namespace = None,
    output: Annotated[
        Form, typer.Option("--output", "-o", help="As a table, as JSON for programs, or names alone, one a line.")
    ] = "table",
) -> None:
    """Show how a run stands, or list the runs; of a run that has ended, the exit code says how."""
    from rich.console import Console
    from rich.table import Table

    from voicemill.cluster import following, nodes
    from voicemill.cluster.connection import connect

    console, api = Console(), connect(namespace)
    if not console.is_terminal:
        console = Console(width=_WIDE)
    if run:
        workflow = api.workflow(run)
        if output == "name":
            typer.echo(run)
        elif output == "json":
            typer.echo(_json(following.summary(workflow)))
        else:
            console.print(following.board(workflow))
        if nodes.has_ended(workflow):
            quiet = Console(quiet=True) if output != "table" else console
            raise typer.Exit(following.conclude(workflow, quiet))
        return
    found = [_listed(each) for each in api.sketches(RUNS)]
    rows = sorted(found, key=lambda row: row["begun"])
    if output == "name":
        typer.echo("".join(f"{row['run']}\n" for row in rows), nl=False)
    elif output == "json":
        typer.echo(_json(rows))
    else:
        table = Table("run", "workflow", "speaker", "state", "begun", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)


def _listed(sketch: dict[str, Any]) -> dict[str, str]:
    """Return what a list says of a run."""
    from voicemill.cluster import nodes

    metadata = sketch["metadata"]
    labels = metadata.get("labels") or {}
    return {
        "run": metadata["name"],
        "workflow": labels.get("app.kubernetes.io/name", ""),
        "speaker": labels.get("voicemill.dev/speaker", ""),
        "state": labels.get(nodes.PHASE, "Pending"),
        "begun": metadata["creationTimestamp"],
    }


def _json(found: object) -> str:
    return json_printable(json.dumps(found, ensure_ascii=False, indent=2))


def logs(
    run: Run,
    task: Annotated[str | None, typer.Argument(help="Only this task's.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log until the run has ended.")] = False,
    namespace: Namespace = None,
) -> None:
    """Show what a run's stages say."""
    from voicemill.cluster import logs as printing
    from voicemill.cluster.connection import connect

    printing.show(connect(namespace), run, task, follow=follow, say=typer.echo)


def stop(run: Run, namespace: Namespace = None) -> None:
    """Stop a run: its tasks are ended, its report is still written, and what training has saved is kept."""
    from voicemill.cluster.connection import connect

    connect(namespace).stop(run)
    typer.echo(f"{run} is being stopped")


def resume(
    run: Run,
    node: Annotated[str | None, typer.Argument(help="Node to resume; required if several are waiting.")] = None,
    parameter: Pairs = None,
    namespace: Namespace = None,
) -> None:
    """Let the one node of a run go on that waits to be approved."""
    from voicemill.cli.run import pairs
    from voicemill.cluster import nodes
    from voicemill.cluster.argo_text import problem_of
    from voicemill.cluster.connection import connect

    supplied = pairs(parameter or [])
    wrong = [f"{name}: {value!r} {problem}" for name, value in supplied.items() if (problem := problem_of(value))]
    if wrong:
        raise UsageError("; ".join(wrong))
    api = connect(namespace)
    task = nodes.waiting(api.workflow(run), node)
    api.resume(run, task.node["id"], supplied)
    typer.echo(f"{task.name} of {run} goes on")


def doctor(namespace: Namespace = None) -> None:
    """Say what a cluster lacks for voicemill, and which node fits which stage; ends with 69 if something is missing."""
    from rich.console import Console

    from voicemill.cluster.doctor import examine, show

    raise typer.Exit(show(examine(namespace), Console()))


def bring(path: Path, speaker: str | None) -> str:
    """Upload a file or folder to the bucket $S3_BUCKET, and say so.

    Args:
        path: What is uploaded.
        speaker: Whose it is, for a revocation; None if it is nobody's.

    Returns:
        Its s3:// address.

    Raises:
        UsageError: No bucket is set.
        InputError: It cannot be read.
    """
    from voicemill.cluster import uploads
    from voicemill.registry.uploads import mark
    from voicemill.storage import open_store

    bucket = os.environ.get("S3_BUCKET")
    if not bucket:
        raise UsageError(
            f"{path} is on this machine; set S3_BUCKET (and S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) to"
            " have it uploaded, or name the parameter with --in-pods if the path is one of the pods"
        )
    try:
        with uploads.shown() as bar:
            mine = open_store(f"s3://{bucket}")
            done = uploads.upload(path, bucket, bar, lambda digests: mark(mine, speaker, digests) if speaker else None)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    typer.echo(f"{path}: {done.sent} of {done.files} files sent, at {done.address}")
    return done.address
