"""GPU pods wait in queues of a real Kueue: quota by quota, team by team, and `voicemill status` says so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.charts.helm import Helm, find, one
from tests.charts.test_queues import objects
from tests.cluster import kueue
from tests.cluster.images import ROOT
from tests.cluster.kube import Cluster, Namespace, Object
from tests.cluster.kueue import wait_for
from tests.cluster.release import Release
from voicemill.cluster.image_pulls import ImagePulls

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

QUEUE = "speech"
IMAGE = "localhost/testcluster-python:1"
SLEEP = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(75)); time.sleep(float(sys.argv[1]))"
SMALL = {"cpu": "10m", "memory": "32Mi", "nvidia.com/gpu": "1"}
WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "anna-1"}}


@pytest.fixture(scope="module")
def teams(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Namespace]]:
    """Two teams' namespaces, as the guide's example has them, but for a quota of one GPU each."""
    cluster_wide = [with_one_gpu(each) for each in objects() if each["kind"] != "LocalQueue"]
    with ExitStack() as stack:
        stack.enter_context(kueue.managing(cluster, tmp_path_factory.mktemp("kueue")))
        stack.enter_context(kueue.created(cluster, *cluster_wide))
        made = [stack.enter_context(kueue.namespace(cluster, "team")) for _ in range(2)]
        for namespace, queue in zip(made, (each for each in objects() if each["kind"] == "LocalQueue"), strict=True):
            namespace.create({**queue, "metadata": {"name": queue["metadata"]["name"]}})
        yield made


@pytest.fixture
def a_release(teams: list[Namespace], argo: Cluster, bucket: str, tmp_path: Path) -> Iterator[Release]:
    """The chart in the first team's namespace, its GPU pods in the queue."""
    release = Release(Helm(find("helm")), teams[0], bucket, tmp_path)
    release.apply(gpu={"queue": {"name": QUEUE, "priorityClass": "nightly"}})
    yield release
    release.run("uninstall", "voicemill")
    secret = {"apiVersion": "v1", "kind": "Secret"}
    argo.resource(secret).delete(name="voicemill-s3", namespace=teams[0].name)


def test_a_gpu_pod_waits_until_the_quota_is_free_and_another_teams_does_not(teams: list[Namespace]) -> None:
    ours, theirs = teams
    first = ours.create(gpu_pod("first", 600))
    ours.wait(first, lambda pod: not gates(pod), seconds=120, every=0.5)
    other = theirs.create(gpu_pod("first", 600))
    theirs.wait(other, lambda pod: not gates(pod), seconds=120, every=0.5)
    second = ours.create(gpu_pod("second", 1))
    wait_for(lambda: "insufficient unused quota" in reason(ours, "second"), seconds=120)
    waiting = ours.get(second)
    assert "kueue.x-k8s.io/admission" in gates(waiting)
    conditions = {each["type"]: each.get("reason") for each in waiting["status"]["conditions"]}
    assert conditions["PodScheduled"] == "SchedulingGated"
    delete(ours, first)
    ours.wait(second, lambda pod: not gates(pod), seconds=120, every=0.5)
    delete(theirs, other)  # the node has but one GPU
    assert ours.pod_end(second, seconds=120)["status"]["phase"] == "Succeeded"
    delete(ours, second)


def test_what_a_team_leaves_idle_is_lent_and_taken_back(teams: list[Namespace]) -> None:
    ours, theirs = teams
    pods = [ours.create(gpu_pod(name, 600)) for name in ("own", "borrowed")]
    for pod in pods:
        ours.wait(pod, lambda found: not gates(found), seconds=120, every=0.5)
    other = theirs.create(gpu_pod("reclaims", 600))
    theirs.wait(other, lambda pod: not gates(pod), seconds=90, every=0.5)
    left = [pod for pod in pods if exists(ours, pod)]
    assert len(left) == 1, "one of them was preempted"
    for namespace, pod in ((ours, left[0]), (theirs, other)):
        delete(namespace, pod)


def test_a_pod_without_the_label_is_nothing_of_kueues(teams: list[Namespace]) -> None:
    template = rendered("slice")
    assert not [label for label in template["metadata"]["labels"] if label.startswith("kueue")]
    pod = teams[0].create(pod_of(template, "plain", 1))
    assert not gates(pod) and "kueue.x-k8s.io/managed" not in pod["metadata"]["labels"]
    assert teams[0].pod_end(pod, seconds=120)["status"]["phase"] == "Succeeded"
    delete(teams[0], pod)


def test_a_workflow_says_that_it_waits_for_its_queue_and_goes_on(teams: list[Namespace], a_release: Release) -> None:
    ours = teams[0]
    # Nothing can be borrowed either.
    holders = [(each, each.create(gpu_pod("holder", 600))) for each in teams]
    for namespace, holder in holders:
        namespace.wait(holder, lambda pod: not gates(pod), seconds=120, every=0.5)
    # What is without its image for longer than this is ended; a gated pod is not.
    ours.create(stub_workflow(ours, seconds=1, limit="3"))
    wait_for(lambda: "waits to be admitted" in output(ours, "status", "anna-1"), seconds=120)
    pulls = ImagePulls()
    assert pulls.overdue(ours.get(WORKFLOW)) == ""
    told = output(ours, "status", "anna-1")
    assert re.search(rf"train-gpt +Pending .*waits to be admitted by Kueue's queue {QUEUE}", told), told
    assert re.search(r"slice +Succeeded", told), told
    assert "Unschedulable" not in told
    assert "GPU pods wait in the LocalQueue speech" in output(ours, "doctor")
    wait_for(lambda: "insufficient unused quota" in reason(ours, "train-gpt"), seconds=30)
    time.sleep(4)
    found = ours.get(WORKFLOW)
    assert found["status"]["phase"] == "Running" and pulls.overdue(found) == ""
    for namespace, holder in holders:
        delete(namespace, holder)
    ended = ours.workflow_end(WORKFLOW, seconds=120)
    assert ended["status"]["phase"] == "Succeeded", ended["status"].get("message")
    delete(ours, WORKFLOW)


def test_what_is_preempted_is_tried_again(teams: list[Namespace], a_release: Release) -> None:
    ours, theirs = teams
    # It has their quota, so that none can be borrowed, and not the node's GPU.
    holder = gpu_pod("holder", 600)
    holder["spec"]["nodeSelector"] = {"voicemill.dev/nowhere": "true"}
    theirs.wait(theirs.create(holder), lambda pod: not gates(pod), seconds=120, every=0.5)
    made = ours.create(stub_workflow(ours, seconds=20))
    ours.wait(made, lambda found: phase(found, "train-gpt(0)") == "Running", seconds=120, every=0.5)
    time.sleep(5)  # it is at work, and saves what it has when it is told to end
    urgent = ours.create(gpu_pod("urgent", 1, priority="urgent"))
    assert ours.pod_end(urgent, seconds=180)["status"]["phase"] == "Succeeded"
    delete(ours, urgent)
    delete(theirs, holder)
    ended = ours.workflow_end(made, seconds=180)
    tries = [
        (each["displayName"], each["phase"], each.get("message"), (each.get("outputs") or {}).get("exitCode"))
        for each in ended["status"]["nodes"].values()
    ]
    assert ended["status"]["phase"] == "Succeeded", tries
    assert phase(ended, "train-gpt(0)") in ("Failed", "Error") and phase(ended, "train-gpt(1)") == "Succeeded", tries
    delete(ours, made)


def with_one_gpu(item: Object) -> Object:
    for group in item.get("spec", {}).get("resourceGroups", []):
        for resource in group["flavors"][0]["resources"]:
            resource["nominalQuota"] = "1" if resource["name"] == "nvidia.com/gpu" else resource["nominalQuota"]
    return item


def rendered(stage: str) -> Object:
    """A stage's template as the chart gives it with a queue for GPU pods."""
    made = Helm(find("helm")).render(f"gpu.queue.name={QUEUE}", "gpu.queue.priorityClass=nightly")
    templates = one(made, "WorkflowTemplate", "voicemill-stages")["spec"]["templates"]
    return next(each for each in templates if each["name"] == stage)


def pod_of(template: Object, name: str, seconds: float) -> Object:
    """A pod as the controller makes it of a stage's template, but for what it computes."""
    container = {**stub(template, seconds)["container"], "name": "main"}
    kept = ("affinity", "tolerations", "nodeSelector", "priorityClassName", "securityContext")
    spec = {field: template[field] for field in kept if field in template}
    spec |= {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def gpu_pod(name: str, seconds: float, priority: str = "nightly") -> Object:
    template = rendered("train-gpt")
    template["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] = priority
    return pod_of(template, name, seconds)


def stub(template: Object, seconds: float) -> Object:
    """A stage's template that sleeps, with little to ask for but its GPU."""
    asked = template["container"]["resources"]["limits"]
    small = {name: amount for name, amount in SMALL.items() if name in asked or "/" not in name}
    container = {
        "image": IMAGE,
        "command": ["python3", "-c", SLEEP, str(seconds)],
        "resources": {"requests": small, "limits": small},
        "securityContext": template["container"]["securityContext"],
    }
    dropped = ("inputs", "outputs", "volumes", "metrics", "metadata")
    kept = {name: value for name, value in template.items() if name not in dropped}
    return {**kept, "metadata": {"labels": template["metadata"]["labels"]}, "container": container}


def stub_workflow(namespace: Namespace, *, seconds: float, limit: str = "600") -> Object:
    """A workflow of a CPU stage and a GPU stage of the release's, by what they ask of the cluster; they only sleep."""
    release = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "clone-voice"}}
    spec = namespace.get(release)["spec"]
    templates = [stub(each, seconds) for each in spec["templates"] if each["name"] in ("slice", "train-gpt")]
    for each in templates:
        patch = json.loads(each["podSpecPatch"])
        patch["containers"] = [container for container in patch["containers"] if container["name"] != "main"]
        each["podSpecPatch"] = json.dumps(patch)
    tasks = [
        {"name": "slice", "template": "slice"},
        {"name": "train-gpt", "template": "train-gpt", "dependencies": ["slice"]},
    ]
    templates.append({"name": "main", "dag": {"tasks": tasks}})
    kept = {field: spec[field] for field in ("serviceAccountName", "securityContext") if field in spec}
    labels = {"app.kubernetes.io/part-of": "voicemill"}
    metadata = {**WORKFLOW["metadata"], "labels": labels, "annotations": {"voicemill.dev/image-pull-seconds": limit}}
    return {**WORKFLOW, "metadata": metadata, "spec": {**kept, "entrypoint": "main", "templates": templates}}


def gates(pod: Object) -> list[str]:
    return [each["name"] for each in pod["spec"].get("schedulingGates") or []]


def reason(namespace: Namespace, pod: str) -> str:
    """What Kueue says of the workload of a pod whose name has this in it."""
    kind = namespace.cluster.resource({"apiVersion": kueue.API, "kind": "Workload"})
    found = [each.to_dict() for each in kind.get(namespace=namespace.name).items if pod in each.metadata.name]
    return " ".join(each["message"] for item in found for each in (item.get("status") or {}).get("conditions") or [])


def phase(workflow: Object, name: str) -> str:
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
    return next((each["phase"] for each in nodes if each["displayName"] == name), "")


def exists(namespace: Namespace, item: Object) -> bool:
    """Whether an object is there and not on its way out."""
    kind = namespace.cluster.resource(item)
    found = kind.get(namespace=namespace.name, field_selector=f"metadata.name={item['metadata']['name']}").items
    return bool(found) and not found[0].metadata.deletionTimestamp


def delete(namespace: Namespace, item: Object) -> None:
    kind = namespace.cluster.resource(item)
    name = item["metadata"]["name"]
    kind.delete(name=name, namespace=namespace.name)
    wait_for(lambda: not kind.get(namespace=namespace.name, field_selector=f"metadata.name={name}").items, seconds=120)


def voicemill(namespace: Namespace, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "voicemill", *words, "--namespace", namespace.name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def output(namespace: Namespace, *words: str) -> str:
    said: Any = voicemill(namespace, *words).communicate(timeout=120)[0]
    return said
