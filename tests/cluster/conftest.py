"""A Kubernetes cluster, its S3 server and its Argo, where there are any; a test says which of them it lacks.

The settings are environment variables: KUBECONFIG; S3_ENDPOINT, S3_BUCKET and AWS's for the S3 server, at an address
that pods reach too; REGISTRY, an image registry without TLS; CLUSTER_ARGO=1 where Argo's controller runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buckets import SETTINGS
from tests.cluster.kube import Cluster, Namespace


@pytest.fixture(autouse=True, scope="module")
def settings() -> Iterator[None]:
    """The cluster's settings are the environment of what runs here."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of $KUBECONFIG."""
    return Cluster(_need("KUBECONFIG", "a Kubernetes cluster"))


@pytest.fixture(scope="session")
def argo(cluster: Cluster) -> Cluster:
    """The same cluster, with Argo's controller running."""
    if SETTINGS.get("CLUSTER_ARGO") != "1":
        pytest.skip("needs Argo's workflow controller (its programs in $ARGO_BIN_DIR when the cluster starts)")
    return cluster


@pytest.fixture(scope="session")
def bucket() -> str:
    """The bucket of a real S3 server, at $S3_ENDPOINT."""
    _need("S3_ENDPOINT", "an S3 server")
    return _need("S3_BUCKET", "a bucket")


@pytest.fixture(scope="session")
def registry() -> str:
    """Host and port of an image registry that the cluster's nodes pull from."""
    return _need("REGISTRY", "an image registry")


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of the test's own, removed after it."""
    with cluster.namespace(request.node.name) as made:
        yield made


def _need(variable: str, what: str) -> str:
    value = SETTINGS.get(variable, "")
    if not value:
        pytest.skip(f"needs {what} (${variable})")
    return value
