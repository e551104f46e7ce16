"""A cluster to submit to, by both of its doors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.argo_api import Cluster, serving
from tests.workflows.test_golden_yaml import CHART


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A server with our WorkflowTemplates, named by KUBECONFIG."""
    for name in [name for name in os.environ if name.startswith(("ARGO_", "S3_"))]:
        monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    with serving(Cluster()) as cluster:
        for path in CHART.glob("*.yaml"):
            cluster.add("workflowtemplates", yaml.safe_load(path.read_text()))
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
            "users": [{"name": "me", "user": {"token": "a-token"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "voices"}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield cluster


@pytest.fixture(params=["kubernetes", "argo-server"])
def door(request: pytest.FixtureRequest, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The same, by the Kubernetes API or by Argo's server."""
    if request.param == "argo-server":
        monkeypatch.setenv("ARGO_SERVER", cluster.url.removeprefix("http://"))
        monkeypatch.setenv("ARGO_SECURE", "false")
        monkeypatch.setenv("ARGO_TOKEN", "Bearer a-token")
        monkeypatch.setenv("ARGO_NAMESPACE", "voices")
    return cluster
