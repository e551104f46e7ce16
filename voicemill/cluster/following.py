"""Following a run: what changes, until it has ended, and what has come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voicemill.cluster import nodes
from voicemill.cluster.api import Api, Json
from voicemill.cluster.image_pulls import ImagePulls, refusal
from voicemill.cluster.retrying import retry_while_unavailable
from voicemill.contract import renames
from voicemill.core.errors import TryAgain

_SECONDS_BETWEEN_LOOKS = 2.0
_STYLES = {
    "Succeeded": "green",
    "Running": "cyan",
    "Failed": "red",
    "Error": "red",
    "Skipped": "dim",
    "Omitted": "dim",
    "waits": "yellow",
}
_RESULTS = {
    "publish": "voice",
    "report": "report",
    "synthesize": "speech",
    "collect-speech": "manifest",
    "batch-report": "table",
}
"""Task -> artifact that a user looks for."""
_STARTING = ("", "PodInitializing", "ContainerCreating")
"""What is said of a pod that has its place and is being made ready; anything else keeps it from its place."""


class View(Protocol):
    """Shows a run whenever it was looked at."""

    def show(self, workflow: Json) -> None: ...


def follow(api: Api, run: str, view: View, *, sleep: Callable[[float], None] = time.sleep) -> Json:
    """Look at a run until it has ended.

    Args:
        api: The cluster.
        run: The run's name.
        view: Shows what is seen.
        sleep: Waits between two looks.

    Returns:
        The Workflow at its end.

    Raises:
        TryAgain: The cluster could not be reached for five minutes; the run itself goes on. Or an image could not be
            pulled for too long; the run is stopped.
    """
    pulls = ImagePulls()
    while True:
        try:
            workflow = retry_while_unavailable(lambda: api.workflow(run), sleep=sleep)
        except TryAgain as error:
            raise TryAgain(f"{error}; the run continues, `voicemill status {run}` shows it") from error
        view.show(workflow)
        if nodes.has_ended(workflow):
            return workflow
        if reason := pulls.overdue(workflow):
            # Its exit handler may wait for an image as well; nobody waits for that.
            retry_while_unavailable(lambda: api.stop(run, because=reason), sleep=sleep)
            raise TryAgain(f"{reason}; {run} was stopped")
        sleep(_SECONDS_BETWEEN_LOOKS)


class Lines:
    """A line for each task that begins, waits or ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._told: dict[str, tuple[str, int, str]] = {}

    def show(self, workflow: Json) -> None:
        run = workflow["metadata"]["name"]
        for task in nodes.tasks(workflow):
            state = "waits" if task.waits else task.phase
            # The kubelet says of one image in turn that it failed and that it waits, with other words each time.
            why = "image" if refusal(task) else task.node["message"] if state == "Pending" else ""
            news = (state, task.tries, why)
            if state == "Omitted" or (state == "Pending" and why in _STARTING) or self._told.get(task.name) == news:
                continue
            self._told[task.name] = news
            tries = f", try {task.tries}" if task.tries > 1 else ""
            words = f": {task.node['message']}" if task.node["message"] else ""
            if task.waits:
                words = f" to be approved: voicemill resume {run} {task.name}"
            line = Text.assemble(f"{task.name:<16} ", (state, _STYLES.get(state, "")), tries, words)
            self.console.print(line, soft_wrap=True)


class Board:
    """The whole run as a table that is drawn anew."""

    def __init__(self, console: Console) -> None:
        self.live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> Board:
        self.live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.__exit__(None, None, None)

    def show(self, workflow: Json) -> None:
        self.live.update(board(workflow))


def board(workflow: Json) -> RenderableType:
    """Return a run's tasks as a table, under its name and phase."""
    table = Table("task", "state", "progress", "tries", "time", "", box=None, pad_edge=False)
    reached = [task for task in nodes.tasks(workflow) if task.phase != "Omitted"]
    for task in reached:
        state = "waits" if task.waits else task.phase
        done, _, total = task.node.get("progress", "").partition("/")
        progress = f"{done}/{total}" if task.phase == "Running" and total not in ("", "1") else ""
        time_taken = _duration(task.seconds) if task.phase not in ("Skipped", "Pending") else ""
        words = "" if task.phase == "Skipped" else task.node["message"]
        tries = str(task.tries) if task.tries > 1 else ""
        table.add_row(task.name, Text(state, _STYLES.get(state, "")), progress, tries, time_taken, Text(words))
    phase = nodes.phase_of(workflow)
    title = Text.assemble(workflow["metadata"]["name"], "  ", (phase, _STYLES.get(phase, "")))
    return Group(title, table)


def summary(workflow: Json) -> Json:
    """Return how a run stands, for programs: its state, what it has come to, and each task that was reached."""
    ended = nodes.has_ended(workflow)
    return {
        "run": workflow["metadata"]["name"],
        "state": nodes.phase_of(workflow),
        "outcome": nodes.outcome_of(workflow) if ended else None,
        "tasks": [
            {
                "task": task.name,
                "state": "waits" if task.waits else task.phase,
                "tries": task.tries,
                "seconds": round(task.seconds, 1),
                "exit_code": task.exit_code,
                "message": task.node["message"],
            }
            for task in nodes.tasks(workflow)
            if task.phase != "Omitted"
        ],
    }


def conclude(workflow: Json, console: Console) -> int:
    """Say what has come of a run and where it is; returns the exit code."""
    run, outcome = workflow["metadata"]["name"], nodes.outcome_of(workflow)
    words = {
        "done": "done",
        "data": "failed because of its data or parameters",
        "infrastructure": "failed because of the cluster; `argo retry` or a new submission may succeed",
        "bug": "failed because of a bug",
        "stopped": "was stopped",
    }
    console.print(f"{run}: {words[outcome]}", soft_wrap=True, highlight=False)
    for task in nodes.tasks(workflow):
        if task.phase in ("Failed", "Error"):
            code = f" (exit code {task.exit_code})" if task.exit_code is not None else ""
            console.print(Text(f"  {task.name}: {task.node['message']}{code}"), soft_wrap=True)
    message = nodes.stopped_because(workflow) or (workflow.get("status") or {}).get("message")
    if outcome != "done" and message:
        console.print(Text(f"  {message}"), soft_wrap=True)
    for task in nodes.tasks(workflow):
        artifact = _RESULTS.get(renames.present_stage(task.name))
        key = task.place(artifact) if artifact else None
        if key:
            console.print(Text(f"  {artifact}: {nodes.place(workflow, key)}"), soft_wrap=True)
    return nodes.EXIT_CODES[outcome]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
