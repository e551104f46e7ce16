"""What a run leaves at the top of its folder: a link for each exported output, and all ledgers in one file.

Output artifacts of the entrypoint and of the exit handler are exported under their names, those with a `globalName`
under that, with the suffix of their path in the pod. The workflow's annotation `voicemill.dev/exports`,
`report=report.html`, gives another name.

What many tasks put out is linked under its S3 keys where the workflow's annotation `voicemill.dev/linked` has patterns
of them, `voices/*/speech/*`: the run folder then stands for the bucket.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from voicemill.engine.annotations import EXPORTS, LINKED
from voicemill.engine.cache import write_whole
from voicemill.engine.fields import Json
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.workflow import Workflow, calls_of, exit_name

if TYPE_CHECKING:
    from voicemill.engine.execution import Execution

LEDGER = "ledger"
"""Name of the output artifact whose lines go into the run's `ledger.jsonl`."""


def problems(workflow: Workflow) -> list[str]:
    """Exports that would have the name of a task's folder."""
    entry = workflow.templates.get(workflow.spec["entrypoint"])
    folders = {call["name"] for call in calls_of(entry)} or {workflow.spec["entrypoint"]}
    templates = [entry]
    if workflow.spec.get("onExit"):
        templates.append(workflow.templates.get(workflow.spec["onExit"]))
        folders.add(exit_name(workflow))
    items = [item for template in templates for item in (template.get("outputs") or {}).get("artifacts") or []]
    names = [_exported_name(workflow, item["name"], PurePosixPath(item.get("path", "")).suffix) for item in items]
    taken = [
        f"the output {name} would be exported over the folder of the task {name}: "
        f"name it otherwise by the annotation {EXPORTS}: {name}=OTHER"
        for name in names
        if name in folders
    ]
    tops = {pattern.partition("/")[0] for pattern in _linked(workflow)}
    return taken + [
        f"what the annotation {LINKED} links would lie in the folder of the task {name}" for name in tops & folders
    ]


def unlink(folder: Path, workflow: Workflow) -> None:
    """Remove the links of an earlier run: what they lead to may be made anew."""
    for top in {pattern.partition("/")[0] for pattern in _linked(workflow)}:
        for inner, _, _ in os.walk(folder / top, topdown=False):
            for entry in Path(inner).iterdir():
                if entry.is_symlink():
                    entry.unlink()
            Path(inner).rmdir()
    for entry in folder.iterdir():
        if entry.is_symlink() or (entry.is_file() and entry.stat().st_nlink > 1):
            entry.unlink()


def link(execution: Execution, nodes: list[Node]) -> dict[str, Path]:
    """Link what the entrypoint and the exit handler put out if they succeeded; gives places by exported name."""
    whole = [node for node in nodes if node.phase is Phase.SUCCEEDED]
    places = {name: path for node in whole for name, path in node.artifacts.items() if name != LEDGER}
    exported: dict[str, Path] = {}
    for name, path in (places | execution.exported).items():
        place = execution.folder / _exported_name(execution.workflow, name, path.suffix)
        place.unlink(missing_ok=True)  # a hard link whose task's folder was deleted by hand
        if path.is_dir():
            place.symlink_to(os.path.relpath(path, execution.folder))
        else:
            # A hard link keeps its own suffix where a browser follows a symbolic one to a name without.
            os.link(path, place)
        execution.events.tell("exported", name=place.name, path=str(path))
        exported[place.name] = place
    for key, path in execution.keys.items():
        if any(fnmatchcase(key, pattern) for pattern in _linked(execution.workflow)):
            place = execution.folder / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(os.path.relpath(path, place.parent))
    return exported


def gather_ledgers(execution: Execution) -> None:
    """Write `ledger.jsonl`: the lines of every artifact named `ledger`, each with the task that wrote it."""
    lines: list[str] = []
    for node in execution.nodes:
        place = node.artifacts.get(LEDGER)
        if not node.is_pod or place is None or not place.is_file():
            continue
        for line in place.read_text().splitlines():
            entry: dict[str, Any] = json.loads(line)
            lines.append(json.dumps({"task": node.name, **entry}, ensure_ascii=False) + "\n")
    write_whole(execution.folder / "ledger.jsonl", "".join(lines))


def _linked(workflow: Workflow) -> list[str]:
    patterns = str(workflow.annotations.get(LINKED, "")).split(",")
    return [pattern.strip() for pattern in patterns if pattern.strip()]


def _exported_name(workflow: Workflow, name: str, suffix: str) -> str:
    pairs: list[str] = str(workflow.annotations.get(EXPORTS, "")).split(",")
    renamed: Json = dict(pair.strip().split("=", 1) for pair in pairs if "=" in pair)
    return renamed.get(name, name + suffix)
