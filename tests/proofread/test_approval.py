"""Approving lets exactly the run go on that was reviewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import cluster, door
from tests.fakes.argo_api import Cluster
from tests.proofread.factories import an_edit, make_run
from voicemill.core.errors import VoicemillError
from voicemill.proofread import approval
from voicemill.proofread.edits import Conflict
from voicemill.proofread.runs import Run, Runs

__all__ = ["cluster", "door"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    make_run(str(tmp_path / "run-1"), tmp_path)
    return Runs(str(tmp_path)).get("-", "run-1")


def suspended(name: str) -> dict[str, Any]:
    outputs = [{"name": each, "valueFrom": {"supplied": {}, "default": ""}} for each in ("reviewer", "review", "kept")]
    outputs += [{"name": each, "valueFrom": {"supplied": {}, "default": ""}} for each in ("edited", "dropped")]
    return {
        "id": f"id-{name}",
        "name": f"run.{name}",
        "displayName": name,
        "type": "Suspend",
        "phase": "Running",
        "templateName": name,
        "outputs": {"parameters": outputs},
    }


def add(door: Cluster, name: str, *nodes: str) -> None:
    status = {"phase": "Running", "nodes": {f"id-{node}": suspended(node) for node in nodes}}
    door.add("workflows", {"metadata": {"name": name}, "spec": {}, "status": status})


def phases(door: Cluster) -> dict[tuple[str, str], str]:
    return {
        (workflow["metadata"]["name"], node["displayName"]): node["phase"]
        for workflow in door.runs
        for node in workflow["status"]["nodes"].values()
    }


def test_on_a_cluster_one_node_of_one_run_goes_on(run: Run, door: Cluster) -> None:
    add(door, "run-1", "proofread", "another")
    add(door, "run-2", "proofread")
    approved, place, state = approval.approve(run, "0" * 16, "anna", 0, approval.resume_on_cluster)
    assert state == "resumed"
    running = [key for key, phase in phases(door).items() if phase == "Running"]
    assert sorted(running) == [("run-1", "another"), ("run-2", "proofread")]
    (workflow,) = (one for one in door.runs if one["metadata"]["name"] == "run-1")
    given = {one["name"]: one["value"] for one in workflow["status"]["nodes"]["id-proofread"]["outputs"]["parameters"]}
    assert given == {"reviewer": "anna", "review": place, "kept": "6", "edited": "0", "dropped": "0"}
    assert json.loads(Path(place).read_text())["reviewer"] == approved.reviewer == "anna"


def test_a_run_that_does_not_wait_or_is_gone_is_left_alone(run: Run, door: Cluster) -> None:
    add(door, "run-2", "proofread")
    assert approval.approve(run, "0" * 16, "anna", 0, approval.resume_on_cluster)[2] == "not-waiting"
    add(door, "run-1", "another")
    assert approval.approve(run, "1" * 16, "anna", 1, approval.resume_on_cluster)[2] == "not-waiting"
    assert set(phases(door).values()) == {"Running"}


def test_a_cluster_that_is_away_is_asked_again_with_the_next_click(run: Run, cluster: Cluster) -> None:
    add(cluster, "run-1", "proofread")
    cluster.status["/apis/argoproj.io/v1alpha1/namespaces/voices/workflows/run-1"] = 503
    with pytest.raises(VoicemillError):
        approval.approve(run, "0" * 16, "anna", 0, approval.resume_on_cluster)
    cluster.status.clear()
    assert approval.approve(run, "0" * 16, "anna", 0, approval.resume_on_cluster)[2] == "resumed"
    assert [entry.action for entry in run.review.log.after(0)] == ["approve"]


def test_nothing_is_approved_that_the_reviewer_has_not_seen(run: Run, tmp_path: Path) -> None:
    other = Runs(str(tmp_path)).get("-", "run-1")
    other.review.edit(an_edit("text", next(iter(other.review.base)), text="meanwhile"), "berta")
    with pytest.raises(Conflict):
        approval.approve(run, "0" * 16, "anna", 0, approval.resume_here)
    assert not (tmp_path / "run-1" / "review" / "approved.json").exists()


def test_on_a_laptop_only_a_node_that_was_reached_is_answered(run: Run, tmp_path: Path) -> None:
    assert approval.approve(run, "0" * 16, "anna", 0, approval.resume_here)[2] == "not-waiting"
    node = tmp_path / "run-1" / "proofread"
    node.mkdir()
    (node / ".key").write_text("key")
    assert approval.approve(run, "1" * 16, "anna", 1, approval.resume_here)[2] == "resumed"
    assert json.loads((node / "approval.json").read_text())["parameters"]["reviewer"] == "anna"
    (node / "_SUCCESS.json").write_text("{}")
    assert approval.approve(run, "2" * 16, "anna", 1, approval.resume_here)[2] == "done-before"
