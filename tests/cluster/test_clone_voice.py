"""A voice is cloned on a real Argo: installed by Helm, submitted by the command line, real pods, artifacts in S3.

Then the same with faults: the training pod deleted, S3 away, a full disk, a corrupt file. The models are toys, and the
node's GPU is announced but not there. What a run of this module gave is kept in README.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.site import SPEAKER, STAGES, Site, finish, has_checkpoint, site, tasks, wait_for
from voicemill.models import record
from voicemill.storage import open_store

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]


def test_a_voice_is_cloned_and_stored(site: Site) -> None:
    done = site.submit_few("anna", "--wait")
    said = finish(done)
    assert done.returncode == 0, said
    assert f"s3://{site.bucket}/voices/anna/anna/publish/voice" in said
    stored = {entry.key for entry in site.stored("anna").list()}
    assert {"publish/voice/voice.json", "publish/voice/sovits.safetensors", "publish/voice/gpt.safetensors"} <= stored
    assert any(key.startswith("report/report") for key in stored)
    phases = {task["displayName"]: task["phase"] for task in tasks(site.workflow("anna"))}
    assert set(phases.values()) <= {"Succeeded", "Skipped"}, phases
    ran = {name for name, phase in phases.items() if phase == "Succeeded" and name in STAGES}
    ledgers = {Path(key).stem for key in stored if key.startswith("ledgers/")}
    assert ran - ledgers <= {"report"}, "a stage that ran left no ledger"


def test_models_are_prepared_in_the_bucket_once(site: Site) -> None:
    source, destination = (f"s3://{site.bucket}/models/{name}" for name in ("toy", "prepared"))
    for run in ("models-1", "models-2"):
        pairs = [word for pair in (f"source={source}", f"destination={destination}") for word in ("-p", pair)]
        done = site.start("submit", "prepare-models", "--name", run, *pairs, "--wait")
        said = finish(done)
        assert done.returncode == 0, said
    sizes, stored = ({entry.key: entry.size for entry in open_store(place).list()} for place in (source, destination))
    assert stored.pop(record.NAME) and len(stored) > 10
    assert stored.items() <= sizes.items()
    lines = open_store(f"s3://{site.bucket}/prepare-models/models-2").read("ledgers/prepare-models.jsonl")[0]
    assert {json.loads(line)["brought"] for line in lines.splitlines()} == {0}


def test_a_deleted_training_pod_goes_on_from_its_last_save(site: Site) -> None:
    # Of the two trainings the longer one: it still runs when its first save is seen.
    done = site.submit_few("berta", "--wait", sovits_epochs="3")
    site.until("berta", "train-sovits", "Running")
    wait_for(lambda: has_checkpoint(site.stored("berta"), "train-sovits"), seconds=600)
    pod = site.pod("berta", "train-sovits")
    site.namespace.cluster.core.delete_namespaced_pod(pod, site.namespace.name)
    said = finish(done)
    assert done.returncode == 0, said
    rows = site.stored("berta").read("train-sovits/weights/metrics.jsonl")[0].decode().splitlines()
    epochs = [row["epoch"] for row in map(json.loads, rows) if "loss_validation_mel" in row]
    assert epochs == [1, 2, 3]
    logs = finish(site.start("logs", "berta"))
    assert re.search(r"resuming from epoch [1-3]", logs), "the second pod began anew"


def test_s3_away_for_half_a_minute_only_takes_time(site: Site) -> None:
    done = site.submit_few("clara", "--wait")
    site.until("clara", "separate", "Running")
    with s3_away():
        time.sleep(30)
    said = finish(done)
    assert done.returncode == 0, said
    assert "publish/voice" in said


def test_a_full_disk_fails_the_run_and_says_so(site: Site) -> None:
    limits = [{"type": "Container", "default": {"ephemeral-storage": "40Mi"}}]
    limit = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "disk"}, "spec": {"limits": limits}}
    made = site.namespace.create(limit)
    try:
        done = site.submit("dora", SPEAKER, "--wait")
        said = finish(done)
    finally:
        site.namespace.cluster.resource(made).delete(name="disk", namespace=site.namespace.name)
    assert done.returncode == 75, said
    assert "ephemeral" in said


def test_a_corrupt_file_is_dropped_with_its_reason(site: Site, tmp_path: Path) -> None:
    for file in sorted(SPEAKER.glob("*.ogg"))[:4]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt nothing")
    done = site.submit("erna", tmp_path, "--wait", min_minutes="0.1")
    site.until("erna", "ingest", "Succeeded")
    subprocess.run([sys.executable, "-m", "voicemill", "stop", "erna", "-n", site.namespace.name], check=True)
    said = finish(done)
    assert done.returncode == 130, said
    lines = site.stored("erna").read("ledgers/ingest.jsonl")[0].decode().splitlines()
    items = {item["item"]: item for item in map(json.loads, lines)}
    assert items["broken.wav"]["outcome"] == "dropped" and items["broken.wav"]["reason"]
    assert sum(item["outcome"] == "kept" for item in items.values()) == 4


def test_nothing_but_a_corrupt_file_is_the_users_to_mend(site: Site, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt nothing")
    done = site.submit("frida", tmp_path, "--wait")
    said = finish(done)
    assert done.returncode == 65, said
    assert "broken.wav" in said
    assert len([task for task in tasks(site.workflow("frida")) if task["type"] == "Pod"]) <= 2, "it was tried again"


@contextmanager
def s3_away() -> Iterator[None]:
    """No connection to the S3 server is taken while this lasts."""
    port = os.environ["S3_ENDPOINT"].rpartition(":")[2]
    rule = ["INPUT", "-p", "tcp", "--dport", port, "-j", "REJECT", "--reject-with", "tcp-reset"]
    subprocess.run(["iptables", "-I", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-D", *rule], check=True)


def test_namespace_is_restricted(site: Site) -> None:
    labels = site.namespace.cluster.core.read_namespace(site.namespace.name).metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
