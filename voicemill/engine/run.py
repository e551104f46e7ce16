"""A whole run in its folder: from the workflow's parameters to exported outputs and an exit code."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from voicemill.core.errors import InputError
from voicemill.core.files import write_text
from voicemill.core.logs import get_logger
from voicemill.core.untrusted import read_json, shaped
from voicemill.engine import container, dag, exports, pods, steps, suspension
from voicemill.engine.cache import LATEST
from voicemill.engine.digests import Digests, default_memory
from voicemill.engine.events import Events, Watcher
from voicemill.engine.execution import Ask, Execution, Executor, Options
from voicemill.engine.fields import Json
from voicemill.engine.go_json import marshal
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.retries import seconds_of
from voicemill.engine.slots import Request, Slots
from voicemill.engine.stopping import EXIT_TRY_AGAIN, Stop
from voicemill.engine.validation import check
from voicemill.engine.workflow import RunFolderError, Workflow, arguments, exit_name

EXECUTORS: dict[str, Executor] = {
    "dag": dag.run,
    "steps": steps.run,
    "suspend": suspension.run,
    "container": container.run,
    "script": container.run,
}

log = get_logger(__name__)


@dataclass
class Result:
    """How a run ended.

    Attributes:
        phase: Succeeded, Failed, Error; Pending if it waits for an approval or was interrupted.
        exit_code: For the process: 0, the first failed task's, 75 if it waits or was terminated, 130 for Ctrl-C.
        nodes: Every node in the order of its start.
        exports: Exported name -> place in the run folder.
        failed: The node whose failure decided the exit code.
        waiting: Suspended nodes that nobody approved.
        outputs: The entrypoint's output parameters.
    """

    phase: Phase
    exit_code: int
    nodes: list[Node]
    exports: dict[str, Path] = field(default_factory=dict[str, Path])
    failed: Node | None = None
    waiting: list[str] = field(default_factory=list[str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])


def run(
    workflow: Workflow,
    given: dict[str, str],
    folder: Path,
    *,
    slots: Request,
    options: Options | None = None,
    watchers: tuple[Watcher, ...] = (),
    ask: Ask | None = None,
) -> Result:
    """Run a workflow, or go on with it where an earlier run in the same folder stopped.

    SIGINT and SIGTERM stop every stage cleanly.

    Args:
        workflow: What to run.
        given: Values of its parameters.
        folder: The run folder; made if need be.
        slots: What tasks may use of this machine.
        options: How to behave.
        watchers: Told of every event.
        ask: Asks for approvals on a terminal.

    Raises:
        UnsupportedWorkflow: before anything runs, for what the engine cannot do or a wrong parameter.
        RunFolderError: if the folder is in use, or holds another workflow's run.
    """

    async def supervised() -> Result:
        with Stop() as stop:
            return await conduct(
                workflow, given, folder, slots=Slots(slots), stop=stop, options=options, watchers=watchers, ask=ask
            )

    return asyncio.run(supervised())


async def conduct(
    workflow: Workflow,
    given: dict[str, str],
    folder: Path,
    *,
    slots: Slots,
    stop: Stop,
    options: Options | None = None,
    watchers: tuple[Watcher, ...] = (),
    ask: Ask | None = None,
) -> Result:
    """As `run`, beside other runs that share the slots and the signal to stop."""
    values = arguments(workflow, given)
    check(workflow)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        identity = _identity(folder, workflow)
        orphans = pods.kill_orphans(folder)
        digests = Digests(default_memory(folder), verify=(options or Options()).verify)
        exports.unlink(folder, workflow, digests)
        events = Events(folder / "run.jsonl", *watchers)
        events.emit("run", workflow=workflow.name, name=identity["name"], parameters=values, orphans=orphans)
        execution = Execution(
            workflow=workflow,
            folder=folder,
            executors=EXECUTORS,
            slots=slots,
            digests=digests,
            events=events,
            options=options or Options(),
            variables=_variables(workflow, values, identity),
        )
        if workflow.spec.get("parallelism"):
            execution.pods = asyncio.Semaphore(int(workflow.spec["parallelism"]))
        if ask is not None:
            execution.ask = ask
        try:
            result = await stop.over(_whole(execution))
        except asyncio.CancelledError:
            result = Result(Phase.PENDING, stop.exit_code, execution.nodes)
        exports.gather_ledgers(execution)
        events.emit("end", phase=str(result.phase), exit_code=result.exit_code, waiting=result.waiting)
        return result


async def _whole(execution: Execution) -> Result:
    """The entrypoint, then the exit handler, then the exports. Source of the phases: Argo's operator.go, operate."""
    workflow = execution.workflow
    begun = time.time()
    entry = Node("", workflow.spec["entrypoint"])
    limit = workflow.spec.get("activeDeadlineSeconds")
    try:
        async with asyncio.timeout(seconds_of(limit) if limit else None):
            await _template(execution, entry, workflow.spec["entrypoint"], entry_folder(workflow))
    except TimeoutError:
        for node in execution.nodes:
            if node.phase in (Phase.RUNNING, Phase.PENDING):
                execution.finish(node, Phase.FAILED, "the workflow exceeded its deadline")
        entry.end(Phase.FAILED, "the workflow exceeded its deadline")
    if execution.waiting:
        return Result(Phase.PENDING, EXIT_TRY_AGAIN, execution.nodes, waiting=execution.waiting)
    phase, exit_node = entry.phase, None
    if phase in (Phase.SKIPPED, Phase.OMITTED):
        phase = Phase.SUCCEEDED
    handler = workflow.spec.get("onExit")
    if handler:
        execution.variables |= {
            "workflow.status": str(phase),
            "workflow.failures": _failures(execution),
            "workflow.duration": f"{time.time() - begun:.6f}",
        }
        exit_node = execution.node(exit_name(workflow), handler)
        await _template(execution, exit_node, handler, exit_name(workflow))
        if phase is Phase.SUCCEEDED and exit_node.phase.unsuccessful:
            phase = exit_node.phase
    links = exports.link(execution, [entry, *([exit_node] if exit_node else [])])
    nodes = [
        node for node in execution.nodes if node.phase is not Phase.PENDING
    ]  # failFast may have left some unstarted
    failed = _first_failed(entry, nodes) if phase.unsuccessful else None
    code = (failed.exit_code if failed else None) or int(phase.unsuccessful)
    return Result(phase, code, nodes, links, failed, outputs=entry.parameters)


async def _template(execution: Execution, node: Node, name: str, folder: str) -> None:
    templates = execution.workflow.templates
    if not node.name and "dag" not in (template := templates.get(name)) and "steps" not in template:
        node.name = folder
        execution.nodes.append(node)
    await execution.run_template(node, folder, templates, templates.get(name), _workflow_arguments(execution))


def _workflow_arguments(execution: Execution) -> tuple[dict[str, str], dict[str, Path]]:
    """Return the entrypoint's and the exit handler's inputs are the workflow's parameters of the same names."""
    prefix = "workflow.parameters."
    values = {name: value for name, value in execution.variables.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): value for name, value in values.items() if value is not None}, {}


def entry_folder(workflow: Workflow) -> str:
    """Return the folder of an entrypoint that is itself a pod."""
    return workflow.spec["entrypoint"]


def _variables(workflow: Workflow, values: dict[str, str], identity: Json) -> dict[str, str | None]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(identity["created"]))
    as_json = marshal([{"name": name, "value": value} for name, value in values.items()])
    return {
        "workflow.name": identity["name"],
        "workflow.namespace": "local",
        "workflow.uid": identity["uid"],
        "workflow.mainEntrypoint": workflow.spec["entrypoint"],
        "workflow.serviceAccountName": workflow.spec.get("serviceAccountName", "default"),
        "workflow.creationTimestamp": created,
        "workflow.creationTimestamp.RFC3339": created,
        **{f"workflow.annotations.{name}": str(value) for name, value in workflow.annotations.items()},
        **{f"workflow.parameters.{name}": value for name, value in values.items()},
        "workflow.parameters": as_json,
        "workflow.parameters.json": as_json,
    }


def _failures(execution: Execution) -> str:
    """`workflow.failures` as Argo gives it: a JSON list, quoted once more."""
    failures = [
        {
            "displayName": node.display_name,
            "message": node.message,
            "templateName": node.template,
            "phase": str(node.phase),
            "podName": f"{execution.variables['workflow.name']}-{node.name}",
            "finishedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(node.finished)),
        }
        for node in execution.nodes
        if node.phase.unsuccessful
    ]
    return marshal(marshal(failures or None, sort_keys=False))


def _first_failed(entry: Node, nodes: list[Node]) -> Node:
    """Return the task that failed first, rather one that ran and failed than one that could not be started."""
    failed = sorted((node for node in nodes if node.phase.unsuccessful), key=lambda node: node.finished)
    return next((node for node in failed if node.exit_code), (failed or [entry])[0])


@contextmanager
def _lock(folder: Path) -> Generator[TextIO, None, None]:
    """Hold the run folder; the lock goes with the process, however it ends."""
    # Not emptied, as the name may lead to somebody's file.
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(f"Another voicemill is running in {folder}.") from None
        yield file


def _identity(folder: Path, workflow: Workflow) -> Json:
    """Return name and creation time of the run: the same each time it is continued.

    Where `run.json` is damaged it is put aside and the run gets a new name: tasks that have the name in their
    commands run again, the others stay done.
    """
    path = folder / "run.json"
    if os.path.lexists(path):
        identity = _read_identity(path)
        if identity is not None:
            if identity["workflow"] != workflow.name:
                raise RunFolderError(
                    f"{folder} holds a run of {identity['workflow']}; give {workflow.name} another folder."
                )
            return identity
        aside = path.with_name(f"run.json.damaged-{secrets.token_hex(3)}")
        path.rename(aside)
        log.warning("%s was damaged and has been moved to %s; the run gets a new name", path, aside.name)
    identity = {
        "workflow": workflow.name,
        "name": f"{workflow.name}-{secrets.token_hex(3)}",
        "uid": str(uuid.uuid4()),
        "created": int(time.time()),
    }
    write_text(path, json.dumps(identity, indent=2) + "\n")
    return identity


@dataclass(frozen=True)
class _Identity:
    workflow: str
    name: str
    uid: str
    created: int


def _read_identity(path: Path) -> Json | None:
    """Return what `run.json` says; None where it does not say all that it should."""
    try:
        found = shaped(_Identity, read_json(path, dict[str, Any]), path)
    except InputError:
        return None
    return asdict(found) if found.name and 0 <= found.created < LATEST else None
