"""The chart on a real cluster: its examples are accepted; a release installs, changes, goes, and passes `helm test`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.charts.helm import CHART, EXAMPLES, Helm, find
from tests.cluster import images
from tests.cluster.kube import Cluster, Namespace
from tests.cluster.release import RELEASE, Release
from voicemill.storage import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]


@pytest.fixture
def helm() -> Helm:
    return Helm(find("helm"))


@pytest.fixture
def release(helm: Helm, namespace: Namespace, bucket: str, tmp_path: Path) -> Release:
    return Release(helm, namespace, bucket, tmp_path)


@pytest.mark.parametrize("values", EXAMPLES)
def test_the_server_takes_every_object_of_an_example(helm: Helm, namespace: Namespace, values: str) -> None:
    rendered = (helm.render(values=values), helm.render("gpu.select=claim", values=values))
    # Neither Argo Events nor the Prometheus operator is there; tests/charts looks at their objects.
    elsewhere = ("EventSource", "Sensor", "ServiceMonitor", "PrometheusRule")
    objects, claims = ([each for each in some if each["kind"] not in elsewhere] for some in rendered)
    claims = [each for each in claims if each["kind"] != "ServiceAccount"]
    for each in sorted([*objects, *claims], key=lambda each: each["kind"] != "ServiceAccount"):
        each["metadata"].pop("namespace")  # into the test's, not the example's
        # A pod is only taken where its account is.
        made = namespace.create(each, dry_run=each["kind"] != "ServiceAccount")
        assert made["metadata"]["name"] == each["metadata"]["name"]


def test_a_release_is_installed_changed_and_removed(release: Release) -> None:
    notes = release.apply()
    assert "helm test voicemill" in notes and "MISSING" not in notes
    assert names(release.namespace, "v1", "ServiceAccount") == {
        "default",
        "voicemill",
        "voicemill-gc",
        "voicemill-conductor",
    }
    templates = names(release.namespace, "argoproj.io/v1alpha1", "WorkflowTemplate")
    assert templates == {path.stem.replace("_", "-") for path in (CHART / "workflows").glob("*.yaml")}
    # What cannot be changed in place is recreated.
    release.apply(gpu={"select": "claim"})
    release.apply(gpu={"select": "claim", "training": {"minMemoryMiB": 15000, "slots": 2}})
    claims = names(release.namespace, "resource.k8s.io/v1", "ResourceClaimTemplate")
    assert {name.split("-")[2] for name in claims} == {"15000mi", "7500mi", "3700mi"}
    release.run("uninstall", RELEASE)
    assert not names(release.namespace, "argoproj.io/v1alpha1", "WorkflowTemplate")
    assert names(release.namespace, "v1", "ServiceAccount") == {"default"}


def test_missing_credentials_are_named_at_installation(release: Release) -> None:
    notes = release.apply(s3=release.values["s3"] | {"secret": {"name": "elsewhere"}})
    assert "MISSING: the Secret with S3's credentials" in notes and "create secret generic elsewhere" in notes


def test_helm_test_takes_a_clip_through_three_stages_and_leaves_nothing(
    argo: Cluster, release: Release, registry: str, bucket: str
) -> None:
    image = images.build(registry, "slice")["slice"]  # all CPU stages have the same content
    store = open_store(f"s3://{bucket}/voices/helm-test")
    before = {entry.key for entry in store.list()}
    release.apply(stages={stage: {"image": image, "cpu": "100m"} for stage in ("ingest", "normalize", "slice")})
    said = release.run("test", RELEASE, "--timeout", "600s")
    assert ": Succeeded" in said
    deadline = time.monotonic() + 120
    while names(release.namespace, "argoproj.io/v1alpha1", "Workflow"):
        assert time.monotonic() < deadline, "the workflow's artifacts were not collected"
        time.sleep(1)
    assert {entry.key for entry in store.list()} == before


def names(namespace: Namespace, version: str, kind: str) -> set[str]:
    """Names of the objects of a kind in a namespace."""
    found = namespace.cluster.resource({"apiVersion": version, "kind": kind}).get(namespace=namespace.name)
    return {each.metadata.name for each in found.items}


@pytest.mark.parametrize(("version", "floor"), [("v2ProPlus", "5600"), ("v4", "7500")])
def test_a_pod_that_trains_a_lora_asks_for_a_larger_card(
    argo: Cluster, release: Release, version: str, floor: str
) -> None:
    release.apply()
    dataset = {"name": "dataset", "raw": {"data": "none"}}
    given = {"version": version, "models": "/models", "keys": "lora"}
    parameters = [{"name": name, "value": value} for name, value in given.items()]
    task = {"name": "train", "templateRef": {"name": "voicemill-stages", "template": "train-sovits"}}
    tasks = [{**task, "arguments": {"parameters": parameters, "artifacts": [dataset]}}]
    spec = {
        "entrypoint": "all",
        "serviceAccountName": "voicemill",
        "templates": [{"name": "all", "dag": {"tasks": tasks}}],
    }
    run = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "lora"}, "spec": spec}
    release.namespace.create(run)
    core, deadline = argo.core, time.monotonic() + 120
    pods: list[Any] = []
    while not (pods := core.list_namespaced_pod(release.namespace.name).items):
        assert time.monotonic() < deadline, "the pod was not made"
        time.sleep(0.5)
    required = pods[0].spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    (expression,) = required.node_selector_terms[0].match_expressions
    assert (expression.key, expression.operator, expression.values) == ("nvidia.com/gpu.memory", "Gt", [floor])
