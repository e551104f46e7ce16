"""A bucket to test with: on moto's server and, where $S3_ENDPOINT names one, on a real S3 server."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from voicemill.storage import s3

_CLUSTERS = ("KUBECONFIG", "S3_", "AWS_", "ARGO_", "REGISTRY", "CLUSTER_")
_KEPT = "VOICEMILL_TEST_CLUSTER"
SETTINGS: dict[str, str] = json.loads(os.environ.get(_KEPT, "{}"))
"""A real cluster's settings, out of the way of all tests but those that ask for it."""
SETTINGS |= {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_CLUSTERS)}
# The workers of pytest-xdist are started from here, and import this anew.
os.environ[_KEPT] = json.dumps(SETTINGS)
REAL = {name: value for name, value in SETTINGS.items() if name.startswith("AWS_") or name == "S3_ENDPOINT"}
"""Those of its S3 server."""


@pytest.fixture(scope="session")
def moto_address() -> Iterator[str]:
    """Address of an S3 server within this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


SERVER = pytest.param("server", marks=pytest.mark.cluster)


@pytest.fixture(params=["moto", SERVER])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of an empty bucket; the environment leads boto3 to its server."""
    with _bucket(request, monkeypatch) as name:
        yield name


@pytest.fixture(params=["folder", "moto", SERVER])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An empty location: a folder that is not there yet, or a prefix of an empty bucket."""
    if request.param == "folder":
        yield str(tmp_path / "place")
        return
    with _bucket(request, monkeypatch) as name:
        yield f"s3://{name}/some/prefix"


@contextmanager
def _bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "moto":
        address = request.getfixturevalue("moto_address")
        settings = {"S3_ENDPOINT": address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    elif "S3_ENDPOINT" in REAL:
        settings = REAL
    else:
        pytest.skip("needs a real S3 server ($S3_ENDPOINT)")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3.client.cache_clear()
    name = f"voices-{uuid.uuid4().hex[:8]}"
    client: Any = s3.client()
    client.create_bucket(Bucket=name)
    yield name
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", []):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)
    s3.client.cache_clear()
