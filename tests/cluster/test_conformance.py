"""The engine's conformance table, on a real Argo: the expectations that the embedded engine meets are Argo's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.kube import Cluster, Namespace, Object
from tests.engine.test_conformance import CASES

pytestmark = pytest.mark.cluster

IMAGE = "localhost/testcluster-python:1"
AT_ONCE = 6


class Table:
    """Runs the cases of the table, some at once, and keeps what Argo made of them."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.running: dict[str, Object] = {}
        self.waiting = list(CASES)

    def result(self, path: Path) -> Object:
        """The ended workflow of a case."""
        if path in self.waiting:
            self.waiting.remove(path)
            self.waiting.insert(0, path)
        while len(self.running) < AT_ONCE and self.waiting:
            self._start(self.waiting.pop(0))
        return self.namespace.workflow_end(self.running.pop(path.stem), seconds=400)

    def _start(self, path: Path) -> None:
        *libraries, workflow = sorted(
            yaml.safe_load_all(path.read_text()), key=lambda document: document["kind"], reverse=True
        )
        for library in libraries:
            self.namespace.create(library)
        spec = workflow["spec"]
        spec["serviceAccountName"] = "workflow"
        parameters = spec["arguments"]["parameters"]
        next(parameter for parameter in parameters if parameter["name"] == "image")["value"] = IMAGE
        self.running[path.stem] = self.namespace.create(workflow)


@pytest.fixture(scope="module")
def table(argo: Cluster) -> Iterator[Table]:
    with argo.namespace("conformance") as namespace:
        relax = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        argo.core.patch_namespace(namespace.name, relax)  # the table says nothing about security contexts
        namespace.allow_workflows()
        yield Table(namespace)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_argo_ends_it_as_the_table_says(path: Path, table: Table) -> None:
    expected = yaml.safe_load(path.with_suffix(".expected.yaml").read_text())
    expected |= expected.get("argo", {})
    workflow = table.result(path)
    assert "nodes" in workflow["status"], workflow["status"]
    nodes = workflow["status"]["nodes"]
    root = nodes[workflow["metadata"]["name"]]
    by_name = {plain_name(node["name"], workflow): node for node in nodes.values() if node is not root}
    tries = {child for node in nodes.values() if node["type"] == "Retry" for child in node.get("children", [])}
    shown = {
        name: node["phase"]
        for name, node in by_name.items()
        if name in expected["nodes"] or (node["type"] in ("Pod", "Suspend", "Skipped") and node["id"] not in tries)
    }
    messages = {name: node["message"] for name, node in by_name.items() if node.get("message")}
    assert shown == expected["nodes"], messages
    assert workflow["status"]["phase"] == expected["phase"], messages
    assert outputs(root) == expected.get("outputs", {})
    counted = {name: len(by_name[name].get("children", [])) for name in expected.get("tries", {})}
    assert counted == expected.get("tries", {})


def plain_name(name: str, workflow: Object) -> str:
    """A node's name as the table writes it: without the workflow's name and the numbers of steps' groups."""
    own = workflow["metadata"]["name"]
    if name == f"{own}.onExit":
        return str(workflow["spec"]["onExit"])
    return re.sub(r"\[\d+\]", "", name.removeprefix(own)).removeprefix(".")


def outputs(root: dict[str, Any]) -> dict[str, str]:
    """The workflow's output parameters."""
    return {parameter["name"]: parameter["value"] for parameter in root.get("outputs", {}).get("parameters", [])}
