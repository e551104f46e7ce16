"""A real Argo with an S3 server that is slow and fails, that keeps versions and locks them, or doubts the clock.

All of an installation's S3 traffic goes through a proxy, or to a server of the test's own: what the stages do, and
what Argo's own containers do beside them. The commands of the person who submits go the usual way.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.s3_proxy import FAULTS, Proxy
from tests.cluster.site import Site, finish, site, wait_for
from voicemill.storage import open_store, s3

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]


def test_an_s3_that_is_slow_and_fails_one_request_in_a_hundred_only_takes_time(site: Site) -> None:
    proxy = Proxy(os.environ["S3_ENDPOINT"], delay=0.2, every=100)
    with proxy.running(), installed(site, proxy.address):
        done = site.submit_few("maria", "--wait")
        said = finish(done)
    assert done.returncode == 0, said
    assert set(FAULTS) <= set(proxy.seen), f"too few requests for each fault: {proxy.seen}"
    assert "publish/voice/voice.json" in {entry.key for entry in site.stored("maria").list()}
    assert finish(site.start("status", "maria")).count("Failed") == 0


def test_a_late_clock_is_named_and_not_tried_again(site: Site) -> None:
    proxy = Proxy(os.environ["S3_ENDPOINT"], late=20 * 60)
    with proxy.running(), installed(site, proxy.address):
        done = site.submit_few("nadja", "--wait")
        said = finish(done)
    assert done.returncode in (69, 75), said
    state = finish(site.start("status", "nadja"))
    assert "request time" in state and "this machine's clock" in state, state


def test_a_bucket_that_keeps_versions_and_locks_them(site: Site, tmp_path: Path) -> None:
    with own_server(tmp_path) as address:
        client: Any = s3.client(address)
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        locked = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        client.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration=locked)
        assert client.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"
        copy_models(site.bucket, s3.S3Store("locked", "models/toy", endpoint=address), tmp_path)
        with installed(site, address, "locked"), commands_to(site, address, "locked"):
            done = site.submit_few("olga", "--wait")
            said = finish(done)
            assert done.returncode == 0, said
            stored = {entry.key for entry in s3.S3Store("locked", "voices/olga/olga", endpoint=address).list()}
            assert "publish/voice/voice.json" in stored
            assert finish(site.start("status", "olga")).count("Failed") == 0
            # When the workflow goes, Argo deletes its artifacts: they are marked as deleted, and can still be had.
            kind = site.namespace.cluster.resource(site.workflow("olga"))
            kind.delete(name="olga", namespace=site.namespace.name)
            wait_for(lambda: "olga" not in names(kind.get(namespace=site.namespace.name)), seconds=300)
            left = {entry.key for entry in s3.S3Store("locked", "voices/olga/olga", endpoint=address).list()}
            gone = {"ingest/audio"}
            assert "publish/voice/voice.json" in left and not gone & {key.rpartition("/")[0] for key in left}
            pages = client.get_paginator("list_object_versions").paginate(Bucket="locked", Prefix="voices/olga/olga/")
            marked = {marker["Key"] for page in pages for marker in page.get("DeleteMarkers", [])}
            assert {"/".join(key.split("/")[3:5]) for key in marked} >= gone


def names(listed: Any) -> set[str]:
    return {each.metadata.name for each in listed.items}


@contextmanager
def installed(site: Site, endpoint: str, bucket: str | None = None) -> Iterator[None]:
    """The installation with another S3 server while this lasts."""
    site.apply(s3={"endpoint": endpoint, "bucket": bucket or site.bucket})
    try:
        yield
    finally:
        site.apply()


@contextmanager
def commands_to(site: Site, endpoint: str, bucket: str) -> Iterator[None]:
    """Commands and their parameters with another S3 server and bucket while this lasts."""
    before = site.bucket
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3_ENDPOINT", endpoint)
        patch.setenv("S3_BUCKET", bucket)
        s3.client.cache_clear()
        site.bucket = bucket
        try:
            yield
        finally:
            site.bucket = before
    s3.client.cache_clear()


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """A versitygw that keeps versions, at the address of the cluster's; gives its own address."""
    program = Path(os.environ.get("CLUSTER_BIN", "")) / "versitygw"
    if not program.is_file():
        pytest.skip("needs versitygw, a server that can keep versions ($CLUSTER_BIN)")
    host = os.environ["S3_ENDPOINT"].partition("://")[2].partition(":")[0]
    with socket.socket() as found:
        found.bind((host, 0))
        port = found.getsockname()[1]
    for kind in ("kept", "versions"):
        (folder / kind).mkdir()
    account = {
        "ROOT_ACCESS_KEY": os.environ["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    }
    command = [str(program), "--port", f"{host}:{port}", "--region", os.environ["AWS_DEFAULT_REGION"], "posix"]
    command += ["--versioning-dir", str(folder / "versions"), str(folder / "kept")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **account}, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(host, port), seconds=30)
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        process.wait(20)


def answers(host: str, port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((host, port)) == 0


def copy_models(bucket: str, destination: s3.S3Store, folder: Path) -> None:
    models = open_store(f"s3://{bucket}/models/toy")
    for entry in models.list():
        models.download(entry.key, folder / "models" / entry.key)
        destination.upload(folder / "models" / entry.key, entry.key)
