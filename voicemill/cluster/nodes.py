"""Reading a Workflow's status: its tasks and how they stand, what a run has come to, and letting a node go on."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from voicemill.cluster import queues
from voicemill.core import untrusted
from voicemill.core.errors import InputError, TryAgain, cause_of

Json = dict[str, Any]
PHASE = "workflows.argoproj.io/phase"
"""Label in which the controller repeats a workflow's phase."""
STOPPED_BECAUSE = "voicemill.dev/stopped-because"
"""Annotation of a run that voicemill stopped by itself: why."""
ENDED = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
Outcome = Literal["done", "data", "infrastructure", "bug", "stopped"]
EXIT_CODES: dict[Outcome, int] = {"done": 0, "data": 65, "infrastructure": 75, "bug": 1, "stopped": 130}
_EXECUTOR = re.compile(r"time=\S+ level=\S+ msg=.* argo=true|Error: exit status \d+")
_ENDED = re.compile(r"main: \w+ \(exit code \d+\): ")
"""What the controller puts before the message of a pod whose stage failed."""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Task:
    """A task of a run as it stands.

    Attributes:
        name: Its name; of an exit handler the template's.
        phase: Argo's: Pending, Running, Succeeded, Failed, Error, Skipped, Omitted.
        node: The node of its latest try, or of itself where it has none.
        tries: How many there were.
        waits: Whether it is suspended until somebody lets it go on.
    """

    name: str
    phase: str
    node: Json
    tries: int
    waits: bool

    @property
    def exit_code(self) -> int | None:
        code = (self.node.get("outputs") or {}).get("exitCode")
        return int(code) if code is not None else None

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return seconds_between(self.node.get("startedAt"), self.node.get("finishedAt"))

    def place(self, artifact: str) -> str | None:
        """Return the key of an output artifact in the artifact repository."""
        for item in (self.node.get("outputs") or {}).get("artifacts") or []:
            if item["name"] == artifact:
                return (item.get("s3") or {}).get("key")
        return None


def seconds_between(started: str | None, finished: str | None) -> float:
    """From a beginning to an end as a status writes them, or to this moment; 0 for what has not begun."""
    start, end = _time(started), _time(finished)
    return ((end or datetime.now(UTC)) - start).total_seconds() if start else 0.0


def phase_of(workflow: Json) -> str:
    """Argo's phase of the whole; Pending where the controller has not looked at it yet."""
    return (workflow.get("status") or {}).get("phase") or "Pending"


def has_ended(workflow: Json) -> bool:
    return phase_of(workflow) in ENDED


def tasks(workflow: Json) -> list[Task]:
    """Return the tasks of a run that have been reached, in the order of their beginning."""
    nodes: dict[str, Json] = (workflow.get("status") or {}).get("nodes") or {}
    of_retries = {child for node in nodes.values() if node["type"] == "Retry" for child in node.get("children") or []}
    found = (_explained(workflow, task) for task in _tasks(nodes, of_retries))
    return sorted(found, key=lambda task: (task.node.get("startedAt") or "~", task.name))


def _explained(workflow: Json, task: Task) -> Task:
    """Return a task with the words that the controller lacks for a pod which its queue has not admitted yet."""
    if task.phase != "Pending" or task.node["message"]:
        return task
    queue = queues.queue_of(workflow, template_of(task.node))
    words = f"waits to be admitted by Kueue's queue {queue}" if queue else ""
    return replace(task, node={**task.node, "message": words})


def _tasks(nodes: dict[str, Json], of_retries: set[str]) -> Iterator[Task]:
    for identity, node in nodes.items():
        if node["type"] not in ("Pod", "Retry", "Suspend", "Skipped") or identity in of_retries:
            continue
        tries = [nodes[child] for child in node.get("children") or [] if child in nodes and _is_try(node, nodes[child])]
        latest = tries[-1] if tries else node
        on_exit = node["displayName"].endswith(".onExit")
        name = node.get("templateName") or node["displayName"] if on_exit else node["displayName"]
        waits = node["type"] == "Suspend" and node["phase"] == "Running"
        # A node with tries is Running from the first on, whether or not the pod of one has found a place.
        phase = "Pending" if node["phase"] == "Running" and latest["phase"] == "Pending" else node["phase"]
        yield Task(name, phase, {**latest, "message": _message(node, latest)}, max(1, len(tries)), waits)


def _is_try(node: Json, child: Json) -> bool:
    # The children of a node that was retried are its tries and, hanging on the last of them, what comes after.
    return node["type"] == "Retry" and child["name"].startswith(f"{node['name']}(")


def _message(node: Json, latest: Json) -> str:
    return sentence(latest.get("message") or node.get("message") or "")


def sentence(message: str) -> str:
    """Return what a stage ended with, out of what Kubernetes keeps as a pod's message.

    That is the sentence that the stage left there, or, of one that was killed, the end of its log: Argo's own lines
    follow the stage's there; the stage's last one is JSON, of which the beginning may be cut off.
    """
    message = _ENDED.sub("", message, count=1) if _ENDED.match(message) else message
    lines = [line for line in message.splitlines() if line.strip() and not is_executors(line)]
    if not lines or len(message.splitlines()) == 1:
        return message.strip()
    try:
        return str(untrusted.json_value(lines[-1][lines[-1].index("{") :], dict)["message"])
    except (ValueError, KeyError, TypeError):
        # Of a traceback, its last line.
        return lines[-1].rpartition("\\n")[2].removesuffix('"}').strip()


def is_executors(line: str) -> bool:
    """Return whether a line of a log is of Argo's own program, which starts the stage."""
    return bool(_EXECUTOR.match(line))


def outcome_of(workflow: Json) -> Outcome:
    """Return what a run that has ended has come to, by the exit codes of its tasks that failed."""
    if phase_of(workflow) == "Succeeded":
        return "done"
    if (workflow.get("spec") or {}).get("shutdown"):
        return "infrastructure" if stopped_because(workflow) else "stopped"
    codes = [task.exit_code for task in tasks(workflow) if task.phase in ("Failed", "Error")]
    causes = {cause_of(code) for code in codes if code}
    for cause in ("data", "bug"):
        if cause in causes:
            return cause
    # Pods that were lost, images that cannot be pulled, limits and deadlines leave no exit code.
    return "infrastructure"


def stopped_because(workflow: Json) -> str:
    """Return why voicemill stopped a run by itself; empty where a person did, or nobody."""
    return (workflow["metadata"].get("annotations") or {}).get(STOPPED_BECAUSE, "")


def place(workflow: Json, key: str) -> str:
    """Return the address of a key of a run's artifact repository, with its bucket where the run names one."""
    reference = (workflow.get("status") or {}).get("artifactRepositoryRef") or {}
    bucket = ((reference.get("artifactRepository") or {}).get("s3") or {}).get("bucket", "")
    return f"s3://{bucket}/{key}"


def waiting(workflow: Json, name: str | None = None) -> Task:
    """Return the one task that waits to be resumed.

    Args:
        workflow: The run.
        name: Its name, where several wait.

    Raises:
        InputError: None waits, not one of that name, or several and none is named.
    """
    run = workflow["metadata"]["name"]
    found = [task for task in tasks(workflow) if task.waits]
    names = ", ".join(task.name for task in found)
    fitting = [task for task in found if name in (None, task.name, task.node["id"])]
    if not found:
        raise InputError(f"no node of {run} is waiting to be resumed; it is {phase_of(workflow)}")
    if not fitting:
        raise InputError(f"{name} of {run} is not waiting; waiting: {names}")
    if len(fitting) > 1:
        raise InputError(f"several nodes of {run} are waiting; name the one to resume: {names}")
    return fitting[0]


def answers(workflow: Json, node_id: str, parameters: dict[str, str]) -> dict[str, str]:
    """Return the values with which a suspended node goes on: those given, and the defaults of the others.

    Raises:
        InputError: The node does not wait, has no such parameter, or lacks a value.
    """
    node = ((workflow.get("status") or {}).get("nodes") or {}).get(node_id) or {}
    if node.get("type") != "Suspend" or node.get("phase") != "Running":
        raise InputError(f"{node.get('displayName', node_id)} of {workflow['metadata']['name']} does not wait")
    outputs = (node.get("outputs") or {}).get("parameters") or []
    sources = {item["name"]: item["valueFrom"] for item in outputs if "supplied" in (item.get("valueFrom") or {})}
    unknown = parameters.keys() - sources.keys()
    if unknown:
        raise InputError(f"{node['displayName']} takes no parameter {', '.join(sorted(unknown))}")
    values = {name: parameters.get(name, source.get("default")) for name, source in sources.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise InputError(f"{node['displayName']} needs a value for {', '.join(missing)}: -p {missing[0]}=VALUE")
    return {name: str(value) for name, value in values.items()}


def resumed(workflow: Json, node_id: str, parameters: dict[str, str]) -> Json:
    """Return the change of a Workflow's status that lets a suspended node go on, as Argo's server would make it.

    Args:
        workflow: The run, as `unpacked`.
        node_id: The node.
        parameters: Values of its supplied output parameters; the others take their defaults.

    Raises:
        InputError: As `answers`.
    """
    values = answers(workflow, node_id, parameters)
    status = workflow["status"]
    node = copy.deepcopy(status["nodes"][node_id])
    if values:
        kept = [item for item in node["outputs"]["parameters"] if item["name"] not in values]
        given = [{"name": name, "value": value} for name, value in values.items()]
        node["outputs"]["parameters"] = kept + given
    node |= {"phase": "Succeeded", "finishedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    if not status.get("compressedNodes"):
        return {"nodes": {node_id: node}}
    nodes = {**status["nodes"], node_id: node}
    return {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()}


def pod_name(run: str, node: Json) -> str:
    """Return the name that the controller gives to a node's pod."""
    return f"{run}-{template_of(node)}-{node['id'].rpartition('-')[2]}"


def template_of(node: Json) -> str:
    """Return the name of a node's template, of the run's own or of the WorkflowTemplate that it refers to."""
    return node.get("templateName") or (node.get("templateRef") or {}).get("template") or ""


def unpacked(workflow: Json) -> Json:
    """Return a Workflow whose nodes can be read: the controller compresses those of a large one.

    Raises:
        TryAgain: The nodes are kept in a database, or packed otherwise.
    """
    status = workflow.get("status") or {}
    packed = base64.b64decode(status.get("compressedNodes") or "")
    if packed.startswith(_GZIP):
        return {**workflow, "status": {**status, "nodes": json.loads(gzip.decompress(packed))}}
    if packed or status.get("offloadNodeStatusVersion"):
        raise TryAgain(
            f"the status of {workflow['metadata']['name']} is stored so that only Argo's server can read it"
            " (in its database, or by zstd); set ARGO_SERVER and ARGO_TOKEN"
        )
    return workflow


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
