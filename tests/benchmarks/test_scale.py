"""The measurement of many speakers schedules the real workflow, and its stand-ins say what the stages declare."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from benchmarks.scale.cluster import played
from benchmarks.scale.counted import requests_of
from benchmarks.scale.embedded import measure
from benchmarks.scale.pods import Pods, asks_for_gpu, task_result
from benchmarks.scale.standins import Json, clone_voice, gpus_of, stages


@pytest.fixture(scope="module")
def document() -> Json:
    return clone_voice()


def test_every_stage_of_every_speaker_is_scheduled(
    document: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(tmp_path, speakers=2, gpus=1, max_parallel=2, gpu_seconds=0.0)
    printed = capsys.readouterr().out
    each = stages(document)
    with_gpu = sum(map(bool, map(gpus_of, each)))
    assert f"2 voices, {2 * len(each)} tasks, {2 * with_gpu} of them with a GPU" in printed
    # Both trainings of both speakers want the one GPU.
    assert int(re.findall(r"at most (\d+) waited", printed)[0]) >= 1


def test_played_pods_go_to_fake_nodes_and_take_their_time(document: Json) -> None:
    template = played(document, gpu_seconds=7, cpu_seconds=1)
    assert template["spec"]["nodeSelector"] == {"type": "kwok"}
    for stage, before in zip(stages(template), stages(document), strict=True):
        assert stage["container"] == before["container"] and stage["outputs"] == before["outputs"]
        assert stage["metadata"]["annotations"]["testcluster/run"] == ("7s" if gpus_of(stage) else "1s")
        assert {"key": "kwok.x-k8s.io/node", "operator": "Exists"} in stage["tolerations"]


def test_a_pods_report_has_the_outputs_that_its_stage_declares(document: Json) -> None:
    (stage,) = [stage for stage in stages(document) if stage["name"] == "assess-quality"]
    main = {**stage["container"], "name": "main"}
    wait = {"name": "wait", "env": [{"name": "ARGO_TEMPLATE", "value": json.dumps(stage)}]}
    pod = {
        "metadata": {
            "annotations": {"workflows.argoproj.io/node-id": "clone-voice-1-42"},
            "labels": {"workflows.argoproj.io/workflow": "clone-voice-1"},
        },
        "spec": {"containers": [wait, main]},
    }
    reported = task_result(pod)
    assert reported["metadata"]["name"] == "clone-voice-1-42"
    declared = stage["outputs"]
    for kind in ("parameters", "artifacts"):
        assert [each["name"] for each in reported["outputs"][kind]] == [each["name"] for each in declared[kind]]
    # Both gates open, so that no stage is left out.
    values = {each["name"]: each["value"] for each in reported["outputs"]["parameters"]}
    assert values["dereverb"] == values["denoise"] == "1"
    assert not asks_for_gpu(pod)


def test_requests_are_counted_over_versions_and_answers() -> None:
    metrics = """# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",resource="pods",subresource="",verb="POST",version="v1"} 7
apiserver_request_total{code="409",component="apiserver",resource="pods",subresource="",verb="POST",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",resource="pods",subresource="status",verb="PATCH"} 1.2e+01
apiserver_request_terminations_total{code="429",resource="pods",verb="POST"} 5
"""
    assert requests_of(metrics) == {("POST", "pods"): 8, ("PATCH", "pods/status"): 12}


def test_a_gpu_is_idle_from_the_end_of_its_pod_until_the_next_ones_place() -> None:
    pods = Pods(api=None, namespace="scale", gpus=1)  # pyright: ignore

    def changed(name: str, phase: str, node: str = "") -> None:
        container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        spec = {"containers": [container], **({"nodeName": node} if node else {})}
        pods.changed({"metadata": {"uid": name}, "status": {"phase": phase}, "spec": spec})

    changed("first", "Pending")
    changed("first", "Pending", "fake-0")
    changed("second", "Pending")
    changed("first", "Succeeded", "fake-0")
    time.sleep(0.05)
    changed("second", "Pending", "fake-0")
    changed("second", "Succeeded", "fake-0")
    changed("third", "Pending")
    changed("third", "Pending", "fake-0")
    assert (pods.seen, pods.with_gpu, pods.most_waiting) == (3, 3, 1)
    assert len(pods.waits) == 3
    # Nobody waited when the second ended.
    (gap,) = pods.gaps
    assert 0.05 <= gap < 5
