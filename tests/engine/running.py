"""Runs workflows in the tests of the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voicemill.engine import workflow as workflows
from voicemill.engine.execution import Options
from voicemill.engine.nodes import Node
from voicemill.engine.run import Result
from voicemill.engine.run import run as run_workflow
from voicemill.engine.slots import Request

ROOM = Request(cpu=4, memory=8 * 2**30, gpus=0)

POD = {"image": "none", "command": ["python3", "-c"]}


def run(path: Path, folder: Path, *, slots: Request = ROOM, approve: tuple[str, ...] = (), **given: str) -> Result:
    """Run a workflow file in a folder."""
    options = Options(approve=approve, grace=5)
    return run_workflow(workflows.load(str(path)), given, folder, slots=slots, options=options)


def write(path: Path, *templates: dict[str, Any], parameters: tuple[str, ...] = (), **spec: Any) -> Path:
    """Write a workflow whose entrypoint is `main`; gives the file."""
    import yaml

    body = {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": name} for name in parameters]},
        "templates": list(templates),
        **spec,
    }
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "w"}, "spec": body}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def phases(result: Result) -> dict[str, str]:
    """Node name -> phase."""
    return {node.name: "Cached" if node.cached else str(node.phase) for node in result.nodes}


def node(result: Result, name: str) -> Node:
    """The node of a name."""
    return next(found for found in result.nodes if found.name == name)
