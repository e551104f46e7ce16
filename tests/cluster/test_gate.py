"""Waiting nodes on a real Argo: an approval lets exactly its own node go on, and a stopped run ends as stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tests.cluster.kube import Cluster, Namespace, Object
from voicemill.proofread.approval import resume_on_cluster
from voicemill.proofread.runs import Run

pytestmark = pytest.mark.cluster

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: gate}
spec:
  entrypoint: main
  serviceAccountName: workflow
  templates:
  - name: main
    dag:
      tasks:
      - {name: proofread, template: wait}
      - {name: other, template: wait}
      - name: after
        template: say
        depends: proofread
        arguments: {parameters: [{name: text, value: "{{tasks.proofread.outputs.parameters.reviewer}}"}]}
  - name: wait
    suspend: {}
    outputs: {parameters: [{name: reviewer, valueFrom: {supplied: {}, default: nobody}}]}
  - name: say
    inputs: {parameters: [{name: text}]}
    outputs: {parameters: [{name: text, valueFrom: {path: /tmp/text}}]}
    container:
      image: localhost/testcluster-python:1
      command: [python3, -c, "open('/tmp/text', 'w').write('{{inputs.parameters.text}}')"]
"""


@pytest.fixture
def waiting(argo: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Namespace, Object]]:
    """A run with two nodes that wait."""
    with argo.namespace("gate") as namespace:
        relaxed = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
        argo.core.patch_namespace(namespace.name, relaxed)  # the workflow says nothing about security contexts
        monkeypatch.setenv("ARGO_NAMESPACE", namespace.name)
        namespace.allow_workflows()
        workflow = namespace.create(yaml.safe_load(WORKFLOW))
        namespace.wait(workflow, lambda found: set(phases(found)) >= {"proofread", "other"}, seconds=60)
        yield namespace, workflow


def test_an_approval_resumes_its_own_node_and_stop_ends_the_rest(waiting: tuple[Namespace, Object]) -> None:
    namespace, workflow = waiting
    run = cast(Run, SimpleNamespace(place=SimpleNamespace(name="gate")))
    assert resume_on_cluster(run, {"reviewer": "anna"}) == "resumed"
    assert resume_on_cluster(run, {"reviewer": "berta"}) == "not-waiting"
    found = namespace.wait(workflow, lambda found: phases(found).get("after") == "Succeeded", seconds=120)
    assert phases(found)["other"] == "Running"
    after = next(node for node in found["status"]["nodes"].values() if node["displayName"] == "after")
    assert after["outputs"]["parameters"][0]["value"] == "anna"

    assert voicemill("stop", "gate").returncode == 0
    namespace.workflow_end(workflow, seconds=60)
    ended = voicemill("status", "gate")
    assert ended.returncode == 130 and "was stopped" in ended.stdout


def test_resume_asks_which_of_two_and_gives_the_node_its_defaults(waiting: tuple[Namespace, Object]) -> None:
    namespace, workflow = waiting
    unclear = voicemill("resume", "gate")
    assert unclear.returncode == 65 and "other, proofread" in unclear.stderr
    assert voicemill("resume", "gate", "proofread").returncode == 0
    found = namespace.wait(workflow, lambda found: phases(found).get("after") == "Succeeded", seconds=120)
    after = next(node for node in found["status"]["nodes"].values() if node["displayName"] == "after")
    assert after["outputs"]["parameters"][0]["value"] == "nobody"
    assert voicemill("stop", "gate").returncode == 0
    namespace.workflow_end(workflow, seconds=60)


def phases(found: Object) -> dict[str, Any]:
    nodes = (found.get("status", {}).get("nodes") or {}).values()
    return {node["displayName"]: node["phase"] for node in nodes}


def voicemill(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "voicemill", *arguments], capture_output=True, text=True)
