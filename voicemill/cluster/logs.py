"""What the stages of a run say, from their pods while those are there, else from the bucket."""

from __future__ import annotations

import time
from collections.abc import Callable

from voicemill.cluster import nodes
from voicemill.cluster.api import Api, Json, NotThere
from voicemill.core import untrusted
from voicemill.core.display import printable
from voicemill.core.errors import InputError

_SECONDS_BETWEEN_LOOKS = 2.0
_LOG = "main-logs"
"""Argo's name for the log of a pod as an artifact, where the artifact repository keeps logs."""


def show(api: Api, run: str, wanted: str | None, *, follow: bool, say: Callable[[str], None]) -> None:
    """Print the logs of a run's tasks, one task after the other as they began.

    Args:
        api: The cluster.
        run: The run's name.
        wanted: Only the task of this name; None for all.
        follow: Go on with what comes until the run, or the one task, has ended.
        say: Takes each line.

    Raises:
        InputError: The run has no such task, or there is nothing to follow and its pod is gone.
    """
    told: set[str] = set()
    while True:
        workflow = api.workflow(run)
        tasks = [task for task in nodes.tasks(workflow) if task.node["type"] == "Pod" and wanted in (None, task.name)]
        for task in tasks:
            if task.node["id"] not in told and task.phase != "Pending":
                told.add(task.node["id"])
                _task(api, workflow, task, follow=follow, say=say, must=wanted is not None)
        ended = nodes.has_ended(workflow) or (wanted and tasks and all(task.phase in nodes.ENDED for task in tasks))
        if ended or not follow:
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if wanted and not tasks:
        known = ", ".join(task.name for task in nodes.tasks(workflow))
        raise InputError(f"{run} has no pod of {wanted}; it has reached: {known or 'nothing yet'}")


def _task(api: Api, workflow: Json, task: nodes.Task, *, follow: bool, say: Callable[[str], None], must: bool) -> None:
    try:
        for line in api.logs(workflow["metadata"]["name"], task.node, follow=follow):
            if not nodes.is_executors(line):
                say(f"{task.name:<14} {readable(line)}")
    except NotThere:
        key = task.place(_LOG)
        if key is None and must:
            raise
        if key is None:
            say(f"{task.name:<14} (its pod is gone)")
            return
        for line in _kept(nodes.place(workflow, key)):
            say(f"{task.name:<14} {readable(line)}")


def _kept(address: str) -> list[str]:
    from voicemill.storage import fetch

    return fetch(address).read_text(errors="replace").splitlines()


def readable(line: str) -> str:
    """Return a stage's line of JSON as a person reads it; any other line as it is."""
    try:
        entry = untrusted.json_value(line, dict)
        level, message = entry.get("level") or entry["SeverityText"], entry.get("message") or entry["Body"]
        return printable(f"{str(level).lower():<7} {message}")
    except (untrusted.Unreadable, KeyError):
        return printable(line)
