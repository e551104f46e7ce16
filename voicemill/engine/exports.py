"""What a run leaves at the top of its folder: a link for each exported output, and all ledgers in one file.

Output artifacts of the entrypoint and of the exit handler are exported under their names, those with a `globalName`
under that, with the suffix of their path in the pod. The workflow's annotation `voicemill.dev/exports`,
`report=report.html`, gives another name.

A run only ever removes links that it made itself, and that are still what it made: `.exports.json` says which.

What many tasks put out is linked under its S3 keys where the workflow's annotation `voicemill.dev/linked` has patterns
of them, `voices/*/speech/*`: the run folder then stands for the bucket.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from voicemill.core.errors import InputError
from voicemill.core.files import write_text
from voicemill.core.logs import get_logger
from voicemill.core.safe_paths import safe_join
from voicemill.core.untrusted import parse_json, read_json, shaped
from voicemill.engine.annotations import EXPORTS, LINKED
from voicemill.engine.digests import Digests
from voicemill.engine.fields import Json, rows, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.workflow import RunFolderError, Workflow, calls_of, exit_name

if TYPE_CHECKING:
    from voicemill.engine.execution import Execution

log = get_logger(__name__)

RECORD = ".exports.json"
_RESERVED = frozenset({"run.json", "run.jsonl", "ledger.jsonl", ".lock", RECORD})
LEDGER = "ledger"
"""Name of the output artifact whose lines go into the run's `ledger.jsonl`."""


def problems(workflow: Workflow) -> list[str]:
    """Exports that would have the name of a task's folder."""
    entry = workflow.templates.get(workflow.spec["entrypoint"])
    folders = {call["name"] for call in calls_of(entry)} or {workflow.spec["entrypoint"]}
    if workflow.spec.get("onExit"):
        folders.add(exit_name(workflow))
    names = _names(workflow)
    taken = [
        f"the output {name} would be exported over {'the folder of the task' if name in folders else 'the file'} {name}"
        f": name it otherwise by the annotation {EXPORTS}: {name}=OTHER"
        for name in names
        if name in folders | _RESERVED
    ]
    taken += [f"the output name {name!r} of the annotation {EXPORTS} is a path" for name in names if "/" in name]
    tops = {pattern.partition("/")[0] for pattern in _linked(workflow)}
    return taken + [
        f"what the annotation {LINKED} links would lie in the folder of the task {name}" for name in tops & folders
    ]


def unlink(folder: Path, workflow: Workflow, digests: Digests) -> None:
    """Remove what earlier runs exported, as what it leads to may be recreated; nothing else is touched.

    Raises:
        RunFolderError: where something else has the name of an export: it would have to be replaced.
    """
    for name, made in _recorded(folder, workflow).items():
        place = safe_join(folder, name, portable=False)
        if os.path.lexists(place) and _is_export(place, made, folder, digests):
            place.unlink()
            _remove_empty(place.parent, folder)
    (folder / RECORD).unlink(missing_ok=True)
    taken = [name for name in _names(workflow) if os.path.lexists(folder / name)]
    if taken:
        raise RunFolderError(
            f"{folder / taken[0]} was not exported by a run, or was changed since, and would be replaced: "
            "move it away, or choose another run folder"
        )


def link(execution: Execution, nodes: list[Node]) -> dict[str, Path]:
    """Link what the entrypoint and the exit handler put out if they succeeded; gives places by exported name."""
    whole = [node for node in nodes if node.phase is Phase.SUCCEEDED]
    paths = {name: path for node in whole for name, path in node.artifacts.items() if name != LEDGER}
    wanted = {
        _exported_name(execution.workflow, name, path.suffix): path
        for name, path in (paths | execution.exported).items()
    }
    patterns = _linked(execution.workflow)
    below = {key: path for key, path in execution.keys.items() if any(fnmatchcase(key, each) for each in patterns)}
    wanted, below = _free(execution, wanted), _free(execution, below)
    # Written before the links, so that a run that is killed between them is tidied up after like any other.
    _record(execution, wanted, below)
    exported: dict[str, Path] = {}
    for name, path in wanted.items():
        place = execution.folder / name
        if path.is_dir():
            place.symlink_to(os.path.relpath(path, execution.folder))
        else:
            # A hard link keeps its own suffix where a browser follows a symbolic one to a name without.
            os.link(path, place)
        execution.events.emit("exported", name=name, path=str(path))
        exported[name] = place
    for key, path in below.items():
        place = safe_join(execution.folder, key, portable=False)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(path, place.parent))
    return exported


def _free(execution: Execution, paths: dict[str, Path]) -> dict[str, Path]:
    """Return the exports whose places are free; of the others it is said that they are not made."""
    taken = {name for name in paths if os.path.lexists(safe_join(execution.folder, name, portable=False))}
    for name in sorted(taken):
        log.warning(
            "%s was not exported by this run and stays as it is; the output is %s",
            execution.folder / name,
            paths[name],
        )
    return {name: path for name, path in paths.items() if name not in taken}


def _record(execution: Execution, wanted: dict[str, Path], below: dict[str, Path]) -> None:
    """Write down what is about to be exported: where each link leads, and the content of a hard one."""
    folder = execution.folder
    made: dict[str, Json] = {}
    for name, path in wanted.items():
        of = os.path.relpath(path, folder)
        made[name] = {"of": of} if path.is_dir() else {"of": of, "digest": execution.digests.file(path)}
    made |= {key: {"of": os.path.relpath(path, folder)} for key, path in below.items()}
    write_text(folder / RECORD, json.dumps(made, indent=1) + "\n")


@dataclass(frozen=True)
class _Exports:
    links: dict[str, dict[str, str]]


def _recorded(folder: Path, workflow: Workflow) -> dict[str, dict[str, str]]:
    """What earlier runs exported. Where no record says so: the links under names of exports that lead to tasks."""
    try:
        return shaped(_Exports, {"links": read_json(folder / RECORD, dict[str, Any])}, folder / RECORD).links
    except InputError:
        found: dict[str, dict[str, str]] = {}
    for name in _names(workflow):
        place = folder / name
        if place.is_symlink():
            found[name] = {"of": os.readlink(place)}
        elif place.is_file():
            same = [entry for entry in folder.glob("*/*") if entry.is_file() and entry.samefile(place)]
            if same:
                found[name] = {"of": os.path.relpath(same[0], folder)}
    return found


def _is_export(place: Path, made: Json, folder: Path, digests: Digests) -> bool:
    """Return whether what stands at a place is what was put there, so that nothing is lost with it."""
    output = folder / made.get("of", "")
    if place.is_symlink():
        return os.path.normpath(place.parent / os.readlink(place)) == os.path.normpath(folder / made.get("of", ""))
    if not place.is_file():
        return False
    return (output.is_file() and output.samefile(place)) or made.get("digest") == digests.file(place)


def _remove_empty(inner: Path, folder: Path) -> None:
    """Remove the folders that were made for a link, up to the run's own, unless there is something else in them."""
    while inner != folder:
        try:
            inner.rmdir()
        except OSError:  # not empty
            return
        inner = inner.parent


def gather_ledgers(execution: Execution) -> None:
    """Write `ledger.jsonl`: the lines of every artifact named `ledger`, each with the task that wrote it.

    A line that cannot be read is kept as the text that it is, under `damaged`.
    """
    lines: list[str] = []
    for node in execution.nodes:
        place = node.artifacts.get(LEDGER)
        if not node.is_pod or place is None or not place.is_file():
            continue
        for line in place.read_text(encoding="utf-8", errors="backslashreplace").splitlines():
            lines.append(json.dumps({"task": node.name, **_entry(line)}, ensure_ascii=False) + "\n")
    write_text(execution.folder / "ledger.jsonl", "".join(lines))


def _entry(line: str) -> Json:
    try:
        return parse_json(line, LEDGER, dict[str, Any], nan=True)
    except InputError:
        return {"damaged": line}


def _names(workflow: Workflow) -> list[str]:
    """Names under which the entrypoint, the exit handler and tasks with a `globalName` export, as far as they tell."""
    templates = [workflow.templates.get(workflow.spec["entrypoint"])]
    if workflow.spec.get("onExit"):
        templates.append(workflow.templates.get(workflow.spec["onExit"]))
    own = [(item["name"], item) for template in templates for item in _artifacts(template) if item["name"] != LEDGER]
    every = (item for template in workflow.templates.by_name.values() for item in _artifacts(template))
    named = [(item["globalName"], item) for item in every if item.get("globalName")]
    return [_exported_name(workflow, name, _suffix(item)) for name, item in own + named]


def _artifacts(template: Json) -> list[Json]:
    return rows(section(template, "outputs"), "artifacts")


def _suffix(item: Json) -> str:
    return PurePosixPath(item.get("path", "")).suffix


def _linked(workflow: Workflow) -> list[str]:
    patterns = str(workflow.annotations.get(LINKED, "")).split(",")
    return [pattern.strip() for pattern in patterns if pattern.strip()]


def _exported_name(workflow: Workflow, name: str, suffix: str) -> str:
    pairs: list[str] = str(workflow.annotations.get(EXPORTS, "")).split(",")
    renamed: Json = dict(pair.strip().split("=", 1) for pair in pairs if "=" in pair)
    return renamed.get(name, name + suffix)
