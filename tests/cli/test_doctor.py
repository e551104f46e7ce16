"""`voicemill doctor` against a server: a healthy cluster, and each thing taken away."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.argo_api import ARGO, Cluster
from voicemill.cli.main import app
from voicemill.cluster import queues
from voicemill.cluster.doctor import Finding, examine

Json = dict[str, Any]


def node(name: str, *, gpus: int = 0, memory: str = "", taint: str = "", cpu: str = "8", room: str = "32Gi") -> Json:
    labels = {"nvidia.com/gpu.memory": memory, "nvidia.com/gpu.product": "NVIDIA-L4"} if memory else {}
    allocatable = {"cpu": cpu, "memory": room, "pods": "110", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else []
    status = {"allocatable": allocatable, "capacity": allocatable}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}, "status": status}


@pytest.fixture
def healthy(cluster: Cluster, bucket: str) -> Cluster:
    cluster.add("serviceaccounts", {"metadata": {"name": "voicemill"}})
    cluster.add("configmaps", {"metadata": {"name": "voicemill"}, "data": {"S3_BUCKET": bucket}})
    container = {"name": "c", "image": "quay.io/argoproj/workflow-controller:v4.1.2"}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [container]}}}
    metadata = {"name": "workflow-controller", "namespace": "argo"}
    cluster.add("deployments", {"metadata": metadata, "spec": spec, "status": {"readyReplicas": 1}})
    cluster.add("nodes", node("plain"))
    cluster.add("nodes", node("large", gpus=1, memory="23034", taint="nvidia.com/gpu"))
    return cluster


def lacking() -> list[Finding]:
    return [finding for finding in examine(None) if finding.level != "ok"]


def only() -> str:
    [finding] = lacking()
    return finding.sentence


def test_a_healthy_cluster_lacks_nothing(healthy: Cluster) -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0 and "all requirements are met" in result.output
    assert "large has 1 NVIDIA-L4 with 22.5 GiB: fits separate, dereverb, denoise" in result.output
    assert "Argo 4.1" in result.output and "v1.34.4 answers" in result.output


def test_without_nodes_for_them_the_stages_are_named_with_the_reason(healthy: Cluster) -> None:
    del healthy.objects["nodes", "large"]
    healthy.add("nodes", node("unlabelled", gpus=1))
    healthy.add("nodes", node("small", gpus=1, memory="4096", taint="studio/only-mine"))
    sentences = {finding.sentence.split(" (")[0]: finding.sentence for finding in lacking()}
    training = sentences["no node fits train-gpt"]
    assert "plain: it has no GPU" in training
    assert "unlabelled: it has no label nvidia.com/gpu.memory (from GPU feature discovery" in training
    assert "small: it is tainted studio/only-mine:NoSchedule" in training
    assert "unlabelled has 1 GPU: fits no stage that needs a GPU" in sentences


def test_a_small_card_fits_inference_only(healthy: Cluster) -> None:
    del healthy.objects["nodes", "large"]
    healthy.add("nodes", node("small", gpus=1, memory="4096"))
    healthy.add("nodes", node("narrow", gpus=1, memory="23034", room="4Gi"))
    found = {finding.sentence for finding in examine(None)}
    fits = next(sentence for sentence in found if sentence.startswith("small has"))
    assert "synthesize" in fits and "train-gpt" not in fits
    training = next(sentence for sentence in found if sentence.startswith("no node fits train-gpt"))
    assert "small: its label nvidia.com/gpu.memory is 4096, not above 5600" in training
    assert "narrow: it has 4.0 GiB for pods, 12 are asked for" in training


def test_a_card_of_6_gb_trains_whole_models_and_one_of_8_gb_loras(healthy: Cluster) -> None:
    del healthy.objects["nodes", "large"]
    healthy.add("nodes", node("six", gpus=1, memory="6144"))
    (lacks,) = [finding.sentence for finding in lacking() if finding.about == "gpus"]
    assert lacks.startswith("no node fits train-sovits (version v3, v4) (")
    assert "six: its label nvidia.com/gpu.memory is 6144, not above 7500" in lacks
    healthy.add("nodes", node("eight", gpus=1, memory="8192"))
    assert lacking() == []
    fits = {finding.sentence.split()[0]: finding.sentence for finding in examine(None) if finding.about == "gpus"}
    assert "train-sovits," in fits["six"] and "v4" not in fits["six"]
    assert "train-sovits, train-sovits (version v3, v4), " in fits["eight"]


def test_each_thing_that_is_missing_is_a_sentence(healthy: Cluster) -> None:
    healthy.rights = {"create workflows", "patch workflowtaskresults"}
    sentences = [finding.sentence for finding in lacking()]
    assert sentences == [
        "you may not create workflows in the namespace voices",
        "the service account voicemill may not patch workflowtaskresults (pods report their results)",
    ]
    healthy.rights = set()
    del healthy.objects["workflowtemplates", "synthesize"]
    assert only() == "synthesize is not in the namespace voices: install the chart"


def test_settings_and_the_bucket(healthy: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy.objects["configmaps", "voicemill"]["data"] = {}
    assert [finding.about for finding in lacking()] == ["settings", "s3"]
    monkeypatch.setenv("S3_BUCKET", "voices-nothing-like-it")
    [_, finding] = lacking()
    assert finding.level == "missing" and "voices-nothing-like-it" in finding.sentence


def test_what_cannot_be_seen_is_not_called_missing(healthy: Cluster) -> None:
    healthy.status["/apis/apps/v1/deployments"] = 403
    assert [finding.level for finding in lacking()] == ["unsure"]
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0


def test_argo_that_is_not_there_or_old_is_missing(healthy: Cluster) -> None:
    containers = healthy.objects["deployments", "workflow-controller"]["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "quay.io/argoproj/workflow-controller:v3.7.1"
    assert "is Argo 3.7; 4.0 or newer is required" in only()
    healthy.status[ARGO] = 404
    assert only() == "Argo Workflows is not installed: the cluster has no CRDs of argoproj.io"


def test_a_cluster_that_is_away_is_said_once(cluster: Cluster) -> None:
    cluster.status["/version/"] = 503
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 69 and "1 requirements are missing" in result.output


def test_names_and_devices_are_those_of_the_release(healthy: Cluster) -> None:
    spec = healthy.objects["workflowtemplates", "clone-voice"]["spec"]
    spec["serviceAccountName"] = "singer"
    for template in (each for each in spec["templates"] if "container" in each):
        template["container"]["envFrom"][0]["configMapRef"]["name"] = "songs"
        limits = template["container"]["resources"]["limits"]
        if limits.pop("nvidia.com/gpu", None):
            limits["nvidia.com/mig-2g.20gb"] = "1"
            template["container"]["resources"]["requests"].pop("nvidia.com/gpu", None)
            template.pop("affinity")
    healthy.objects["serviceaccounts", "singer"] = healthy.objects.pop(("serviceaccounts", "voicemill"))
    healthy.objects["configmaps", "songs"] = healthy.objects.pop(("configmaps", "voicemill"))
    assert {finding.sentence.split(" (")[0] for finding in lacking() if finding.level == "missing"} >= {
        "the service account voicemill is missing in voices: install the chart",  # artifactGC's
        "no node fits train-gpt",
    }
    shares = healthy.objects["nodes", "large"]["status"]["allocatable"]
    shares["nvidia.com/mig-2g.20gb"] = "3"
    found = [finding.sentence for finding in examine(None)]
    assert "the service account singer exists" in found
    assert any("3 nvidia.com/mig-2g.20gb: fits separate" in sentence for sentence in found)


def test_node_groups_that_grow_from_nothing_are_thought_of(healthy: Cluster) -> None:
    del healthy.objects["nodes", "large"]
    sentences = [finding.sentence for finding in lacking() if finding.sentence.startswith("no node fits train-gpt")]
    assert len(sentences) == 1 and "gpu.select=none" in sentences[0]


def test_a_queue_that_admits_nothing_is_missing(healthy: Cluster) -> None:
    templates = healthy.objects["workflowtemplates", "clone-voice"]["spec"]["templates"]
    train = next(each for each in templates if each["name"] == "train-gpt")
    train["metadata"]["labels"] = {queues.LABEL: "speech"}
    assert only() == "GPU pods are to wait in Kueue's queue speech: install Kueue"
    healthy.groups = {queues.GROUP: "v1beta2"}
    assert only() == "there is no LocalQueue speech in voices: GPU pods wait for it for ever"
    condition = {"type": "Active", "status": "False", "message": "Can't submit new workloads to clusterQueue"}
    queue = healthy.add("localqueues", {"metadata": {"name": "speech"}, "status": {"conditions": [condition]}})
    assert only() == f"the LocalQueue speech in voices admits nothing: {condition['message']}"
    queue["status"]["conditions"][0]["status"] = "True"
    assert lacking() == []
