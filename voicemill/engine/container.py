"""A container or script template: a subprocess, its inputs and outputs as folders, and no work done twice."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from voicemill.core import untrusted
from voicemill.engine import cache, calls
from voicemill.engine.annotations import CONFIG, LOCATIONS, STATE, annotated
from voicemill.engine.fields import Json, listed, rows, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.pods import RUN_MARK, Outcome, Pod
from voicemill.engine.retries import seconds_of
from voicemill.engine.scope import Call, Scope, filled
from voicemill.engine.slots import request_of
from voicemill.engine.workflow import text_of

if TYPE_CHECKING:
    from voicemill.engine.execution import Attempt, Execution

GPUS = "VOICEMILL_GPUS"
"""Environment variable with the numbers of the GPUs that a task was given."""
_INPUTS = ".inputs"
_PARAMETERS = ".outputs"
_PROGRESS = ".progress"
_STDOUT = ".stdout"
_SCRIPT = ".script"


async def run(execution: Execution, attempt: Attempt) -> None:
    """Run a pod to its end, unless it was done before."""
    node, call, shown = attempt.node, attempt.call, attempt.shown
    node.is_pod = True
    folder = execution.folder / call.folder
    paths = _paths(call, folder)
    tries = {**attempt.tries, "pod.name": f"{execution.variables['workflow.name']}-{call.folder}"}
    body = calls.pod_body(execution, call.template, {**call.variables, **tries, **paths, **_state(call, folder)})
    node.key = await asyncio.to_thread(_key, execution, call)
    wants_result = execution.reads_results
    if await asyncio.to_thread(cache.restore, folder, node, _expected(call, folder), execution.digests):
        _register(execution, call, node)
        return
    request = request_of(body)
    async with execution.slots.take(request) as gpus:
        cache.begin(folder, node.key)
        _make_room(call, folder)
        node.started = time.time()
        node.phase = shown.phase = Phase.RUNNING
        shown.started = shown.started or node.started
        execution.events.emit(
            "task", shown, log=str(folder / cache.LOG), cpu=min(request.cpu, execution.slots.total.cpu), gpus=len(gpus)
        )
        pod = Pod(
            command=_command(body, folder),
            environment=_environment(execution, body, folder, gpus),
            folder=folder,
            log=folder / cache.LOG,
            stdout=folder / _STDOUT if wants_result else None,
        )
        outcome = await pod.run(deadline=_deadline(call.template), grace=execution.options.grace)
    node.exit_code = outcome.exit_code
    missing = _collect(call, folder, node, wants_result)
    _register(execution, call, node)
    if outcome.exit_code == 0 and not outcome.timed_out and not missing:
        node.end(Phase.SUCCEEDED)
        await asyncio.to_thread(cache.save, folder, node, execution.digests)
    elif outcome.exit_code == 0 and not outcome.timed_out:
        node.end(Phase.ERROR, f"it exited with 0 but did not write {', '.join(missing)}")
    else:
        node.end(Phase.FAILED, _failure(outcome, folder / cache.LOG))


def output_place(artifact: Json, folder: Path) -> Path:
    """Return where an output artifact is written: by its name, with the suffix of its path in the pod."""
    return folder / (artifact["name"] + PurePosixPath(artifact.get("path", "")).suffix)


def _outputs(call: Call) -> tuple[list[Json], list[Json]]:
    outputs = section(call.template, "outputs")
    return rows(outputs, "parameters"), rows(outputs, "artifacts")


def _expected(call: Call, folder: Path) -> cache.Expected:
    parameters, artifacts = _outputs(call)
    return cache.Expected(
        parameters=frozenset(item["name"] for item in parameters),
        artifacts={item["name"]: output_place(item, folder) for item in artifacts},
        optional=frozenset(item["name"] for item in artifacts if item.get("optional")),
    )


def _paths(call: Call, folder: Path) -> dict[str, str | None]:
    """Argo's path variables on this machine; an input that is not there has a path of its own."""
    parameters, artifacts = _outputs(call)
    paths: dict[str, str | None] = {}
    for item in rows(section(call.template, "inputs"), "artifacts"):
        place = call.artifacts.get(item["name"]) or folder / _INPUTS / item["name"]
        paths[f"inputs.artifacts.{item['name']}.path"] = str(place)
    for item in artifacts:
        paths[f"outputs.artifacts.{item['name']}.path"] = str(output_place(item, folder))
    for item in parameters:
        paths[f"outputs.parameters.{item['name']}.path"] = str(folder / _PARAMETERS / item["name"])
    return paths


def _state(call: Call, folder: Path) -> dict[str, str | None]:
    names = annotated(call.template, STATE)
    state_folders = {name: folder / cache.STATE if len(names) == 1 else folder / cache.STATE / name for name in names}
    return {f"inputs.parameters.{name}": str(place) for name, place in state_folders.items()}


def _key(execution: Execution, call: Call) -> str:
    """Return the cache key, from the container with names in place of paths, as its first try would be."""
    names: dict[str, str | None] = {path: path for path in _paths(call, Path())}
    path_parameters = {name: call.parameters.get(name, "") for name in annotated(call.template, LOCATIONS)}
    configs = annotated(call.template, CONFIG)
    for name in [*path_parameters, *configs, *annotated(call.template, STATE)]:
        names[f"inputs.parameters.{name}"] = name
    first = {"retries": "0", "lastRetry.exitCode": "0", "lastRetry.status": "", "lastRetry.message": ""}
    names |= {**first, "lastRetry.duration": "0", "pod.name": "pod"}
    body = calls.pod_body(execution, call.template, {**call.variables, **names})
    own = {name: execution.options.own_config(call.parameters.get(name, ""), cache.module_of(body)) for name in configs}
    return cache.key_of(body, call.artifacts, path_parameters | own, execution.digests, execution.options.code_version)


def _make_room(call: Call, folder: Path) -> None:
    (folder / _PARAMETERS).mkdir(exist_ok=True)
    for place in _state(call, folder).values():
        Path(str(place)).mkdir(parents=True, exist_ok=True)
    for item in rows(section(call.template, "inputs"), "artifacts"):
        # An optional key under which nothing lies leaves an empty folder in a pod: the mount of what would have come.
        if "s3" in item and item["name"] not in call.artifacts:
            (folder / _INPUTS / item["name"]).mkdir(parents=True, exist_ok=True)


def _command(body: Json, folder: Path) -> list[str]:
    command = [text_of(part) for part in [*listed(body, "command"), *listed(body, "args")]]
    if "source" in body:
        script = folder / _SCRIPT
        script.write_text(body["source"])
        command.append(str(script))
    if command[0] in ("python", "python3"):
        command[0] = sys.executable
    return command


def _environment(execution: Execution, body: Json, folder: Path, gpus: list[int]) -> dict[str, str]:
    """Return the container's own variables, and those by which a stage finds this engine and its own code."""
    environment = {
        RUN_MARK: str(execution.folder),
        "ARGO_PROGRESS_FILE": str(folder / _PROGRESS),
        "PYTHONUNBUFFERED": "1",
        **{item["name"]: text_of(item["value"]) for item in rows(body, "env") if item.get("value") is not None},
    }
    if execution.slots.total.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = environment[GPUS] = ",".join(map(str, gpus))
    return environment


def _deadline(template: Json) -> float | None:
    limits = [seconds_of(template[name]) for name in ("activeDeadlineSeconds", "timeout") if template.get(name)]
    return min(limits, default=None)


def _collect(call: Call, folder: Path, node: Node, wants_result: bool) -> list[str]:
    """Take up the outputs that exist, also of a try that failed; returns what is missing."""
    parameters, artifacts = _outputs(call)
    missing: list[str] = []
    for item in parameters:
        file, default = folder / _PARAMETERS / item["name"], section(item, "valueFrom").get("default")
        if file.is_file():
            # Argo drops one newline at the end, so that `echo x > file` gives x.
            node.parameters[item["name"]] = file.read_text().removesuffix("\n")
        elif default is not None:
            node.parameters[item["name"]] = filled(text_of(default), call.own_scope())
        else:
            missing.append(f"its output parameter {item['name']}")
    for item in artifacts:
        place = output_place(item, folder)
        if place.exists():
            node.artifacts[item["name"]] = place
        elif not item.get("optional"):
            missing.append(f"its output artifact {item['name']}")
    if wants_result:
        stdout = folder / _STDOUT
        text = stdout.read_text(errors="replace")
        node.result = text.removesuffix("\n")
        with (folder / cache.LOG).open("a") as log:
            log.write(text)
    return missing


def _register(execution: Execution, call: Call, node: Node) -> None:
    for item in _outputs(call)[1]:
        key = section(item, "s3").get("key")
        if key and item["name"] in node.artifacts:
            rendered = filled(key, Scope({**call.variables, "pod.name": call.folder}))
            execution.keys[rendered.strip("/")] = node.artifacts[item["name"]]


def _failure(outcome: Outcome, log: Path) -> str:
    if outcome.timed_out:
        return "it exceeded its deadline"
    sentence = last_words(log)
    return f"{sentence} (exit code {outcome.exit_code})" if sentence else f"exit code {outcome.exit_code}"


def last_words(log: Path) -> str:
    """Return the sentence that a stage ended with: the message of its last error line, else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        lines = file.read().decode(errors="replace").splitlines()
    last = ""
    for line in reversed([line.strip() for line in lines if line.strip()]):
        last = last or line
        try:
            entry = untrusted.json_value(line, dict[str, Any])
        except untrusted.Unreadable:
            continue
        if str(entry.get("level") or entry.get("SeverityText")).lower() in ("error", "critical"):
            return str(entry.get("message") or entry.get("Body") or line)
    return last
