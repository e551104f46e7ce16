"""A voice is cloned on a real Argo: installed by Helm, submitted by the command line, real pods, artifacts in S3.

Then the same with faults: the training pod deleted, S3 away, a full disk, a corrupt file. The models are toys, and the
node's GPU is announced but not there. What a run of this module gave is kept in README.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.charts.helm import Helm, find
from tests.cluster import images
from tests.cluster.kube import Cluster, Object
from tests.cluster.release import Release
from voicemill.models import toy
from voicemill.storage import Store, open_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

SPEAKER = images.ROOT / "examples" / "demo_speaker"
SHORT = {"sovits-epochs": "2", "gpt-epochs": "2", "sovits-save-every": "1", "gpt-save-every": "1"}
STAGES = sorted(path.stem.replace("_", "-") for path in (images.ROOT / "stages").glob("[a-z]*.py"))


class Site:
    """An installation of voicemill with toy models in its bucket."""

    def __init__(self, release: Release, bucket: str) -> None:
        self.namespace = release.namespace
        self.bucket = bucket

    def submit(self, speaker: str, source: Path, *options: str, **parameters: str) -> subprocess.Popen[str]:
        """`voicemill submit clone-voice`, running."""
        given = {
            "speaker": speaker,
            "source": str(source),
            "language": "en",
            "models": f"s3://{self.bucket}/models/toy",
        }
        given |= SHORT | {name.replace("_", "-"): value for name, value in parameters.items()}
        pairs = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
        command = [sys.executable, "-m", "voicemill", "submit", "clone-voice", "--name", speaker, *pairs, *options]
        command += ["--namespace", self.namespace.name]
        return subprocess.Popen(command, cwd=images.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def workflow(self, name: str) -> Object:
        return self.namespace.get(workflow(name))

    def until(self, name: str, task: str, *phases: str, seconds: float = 900) -> Object:
        """The run once a task is in one of some phases; gives the task's node."""

        def reached(found: Object) -> bool:
            return node(found, task).get("phase") in phases

        return node(self.namespace.wait(workflow(name), reached, seconds=seconds), task)

    def pod(self, name: str, task: str) -> str:
        """Name of the pod that a task runs in at the moment."""
        pods = self.namespace.cluster.core.list_namespaced_pod(
            self.namespace.name, label_selector=f"workflows.argoproj.io/workflow={name}"
        )
        running = [pod for pod in pods.items if pod.status.phase == "Running" and f"-{task}-" in pod.metadata.name]
        assert len(running) == 1, [pod.metadata.name for pod in pods.items]
        return running[0].metadata.name

    def stored(self, name: str) -> Store:
        """A run's artifacts; runs here are called like their speaker."""
        return open_store(f"s3://{self.bucket}/voices/{name}/{name}")


@pytest.fixture(scope="module")
def site(argo: Cluster, registry: str, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = images.build(registry, *STAGES)
    folder = tmp_path_factory.mktemp("site")
    toy.make_all(folder / "toy")
    models = open_store(f"s3://{bucket}/models/toy")
    for file in sorted(path for path in (folder / "toy").rglob("*") if path.is_file()):
        models.upload(file, file.relative_to(folder / "toy").as_posix())
    with argo.namespace("voices") as namespace:
        release = Release(Helm(find("helm")), namespace, bucket, folder)
        # Small requests: the node has two cores and runs everything else too.
        release.apply(stages={stage: {"image": name, "cpu": "100m"} for stage, name in names.items()})
        yield Site(release, bucket)


def test_a_voice_is_cloned_and_stored(site: Site) -> None:
    done = site.submit("anna", SPEAKER, "--wait")
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


def test_a_deleted_training_pod_goes_on_from_its_last_save(site: Site) -> None:
    done = site.submit("berta", SPEAKER, "--wait", gpt_epochs="12")
    site.until("berta", "train-gpt", "Running")
    wait_for(lambda: any(site.stored("berta").list("train-gpt/state/")), seconds=600)
    pod = site.pod("berta", "train-gpt")
    site.namespace.cluster.core.delete_namespaced_pod(pod, site.namespace.name)
    said = finish(done)
    assert done.returncode == 0, said
    rows = site.stored("berta").read("train-gpt/weights/metrics.jsonl")[0].decode().splitlines()
    epochs = [json.loads(row)["epoch"] for row in rows]
    assert sorted(set(epochs)) == list(range(1, 13))
    assert len(epochs) - 12 <= 1, "no more than one epoch was trained twice"


def test_s3_away_for_half_a_minute_only_takes_time(site: Site) -> None:
    done = site.submit("clara", SPEAKER, "--wait")
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


def workflow(name: str) -> Object:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}}


def tasks(found: Object) -> list[dict[str, Any]]:
    """Nodes of a run, retried ones once."""
    nodes = (found.get("status", {}).get("nodes") or {}).values()
    tries = {child for each in nodes if each["type"] == "Retry" for child in each.get("children", [])}
    return [
        each for each in nodes if each["id"] not in tries and each["type"] in ("Pod", "Retry", "Skipped", "Suspend")
    ]


def node(found: Object, task: str) -> dict[str, Any]:
    return next((each for each in tasks(found) if each["displayName"] == task), {})


def finish(process: subprocess.Popen[str]) -> str:
    """What a command printed, once it has ended."""
    return process.communicate(timeout=2400)[0]


def wait_for(condition: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it took over {seconds} s"
        time.sleep(0.5)


def test_namespace_is_restricted(site: Site) -> None:
    labels = site.namespace.cluster.core.read_namespace(site.namespace.name).metadata.labels
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
