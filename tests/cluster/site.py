"""An installation of voicemill on the cluster under test, with toy models, and what its command line does there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import NotFoundError

from tests.charts.helm import CHART, Helm, find
from tests.cluster import images
from tests.cluster.kube import Cluster, Object
from tests.cluster.release import Release
from voicemill.models import toy
from voicemill.storage import Store, open_store

SHORT = {"sovits-epochs": "2", "gpt-epochs": "2"}
SHORT["config"] = (
    "{train-sovits: {save-every: 1}, train-gpt: {save-every: 1}, evaluate: {lines: 2, reference-candidates: 1}}"
)
SPEAKER = images.ROOT / "examples" / "demo_speaker"
FEW = ("02_bread.ogg", "04_winter.ogg")
"""A minute of it, for runs in which the data is not what is looked at."""
LITTLE = {"min_minutes": "0.5", "sovits_epochs": "1", "gpt_epochs": "1"}
STAGES = sorted(path.stem.replace("_", "-") for path in (images.ROOT / "stages").glob("[a-z]*.py"))


class Site:
    """An installation of voicemill with toy models in its bucket."""

    def __init__(self, release: Release, bucket: str, stage_images: dict[str, str]) -> None:
        self.release = release
        self.namespace = release.namespace
        self.bucket = bucket
        self.images = stage_images

    def apply(self, chart: Path = CHART, **values: Any) -> None:
        """Upgrade the release, with more values than it has by default here."""
        # Small requests, enough for toys: the node has two cores and runs everything else too.
        stages = {stage: {"image": name, "cpu": "100m", "memory": "4Gi"} for stage, name in self.images.items()}
        for stage, changed in values.pop("stages", {}).items():
            stages[stage] |= changed
        self.release.apply(chart, stages=stages, **values)

    def submit(self, speaker: str, source: Path, *options: str, **parameters: str) -> subprocess.Popen[str]:
        """`voicemill submit clone-voice`, running."""
        kept = self.stored(speaker)
        for entry in list(kept.list()):  # of a run under the same name, in a namespace that is gone
            kept.delete(entry.key)
        given = {"speaker": speaker, "source": str(source), "language": "en", **SHORT}
        given |= {name.replace("_", "-"): value for name, value in parameters.items()}
        return self.start("submit", "clone-voice", "--name", speaker, *self.pairs(given), *options)

    def submit_few(self, speaker: str, *options: str, **parameters: str) -> subprocess.Popen[str]:
        """`voicemill submit clone-voice` of a minute of speech, running."""
        with tempfile.TemporaryDirectory() as folder:
            for name in FEW:
                shutil.copy(SPEAKER / name, folder)
            made = self.submit(speaker, Path(folder), *options, **{**LITTLE, **parameters})
            # What is on this machine is uploaded before anything is submitted.
            wait_for(lambda: self._is_submitted(speaker) or made.poll() is not None, seconds=600)
            return made

    def pairs(self, given: dict[str, str]) -> list[str]:
        """Parameters as words of a command, with the toy models among them."""
        given = {"models": f"s3://{self.bucket}/models/toy", **given}
        return [word for name, value in given.items() for word in ("-p", f"{name}={value}")]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command of voicemill on this installation, running."""
        command = [sys.executable, "-m", "voicemill", *words, "--namespace", self.namespace.name]
        return subprocess.Popen(command, cwd=images.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def workflow(self, name: str) -> Object:
        return self.namespace.get(workflow(name))

    def until(self, name: str, task: str, *phases: str, seconds: float = 1800) -> Object:
        """The run once a task is in one of some phases; gives the task's node."""

        def reached(found: Object) -> bool:
            return node(found, task).get("phase") in phases

        wait_for(lambda: self._is_submitted(name), seconds=seconds)
        return node(self.namespace.wait(workflow(name), reached, seconds=seconds), task)

    def _is_submitted(self, name: str) -> bool:
        try:
            self.workflow(name)
        except NotFoundError:
            return False
        return True

    def pod(self, name: str, task: str) -> str:
        """Name of the pod that a task runs in at the moment, once it runs."""
        wait_for(lambda: len(self._running(name, task)) == 1, seconds=300)
        return self._running(name, task)[0]

    def _running(self, name: str, task: str) -> list[str]:
        pods = self.namespace.cluster.core.list_namespaced_pod(
            self.namespace.name, label_selector=f"workflows.argoproj.io/workflow={name}"
        )
        running = (pod.metadata.name for pod in pods.items if pod.status.phase == "Running")
        return [each for each in running if f"-{task}-" in each]

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
        made = Site(release, bucket, names)
        made.apply()
        yield made


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


def has_checkpoint(run: Store, stage: str) -> bool:
    """Whether a training's state in S3 has a checkpoint."""
    index = f"{stage}/state/index.json"
    return bool(run.find(index)) and "checkpoint.pt" in json.loads(run.read(index)[0])["files"]


def finish(process: subprocess.Popen[str]) -> str:
    """What a command printed, once it has ended."""
    return process.communicate(timeout=2400)[0]


def wait_for(condition: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it took over {seconds} s"
        time.sleep(2)


def restart_controller() -> None:
    """End the controller as a lost node would, and start it again by the same command."""
    record = Path(os.environ.get("CLUSTER_BIN", "")).parent / "run" / "workflow-controller.pid"
    if not record.is_file():
        pytest.skip("needs the test cluster's record of its controller (a process of this machine; $CLUSTER_BIN)")
    process = Path("/proc", record.read_text().split()[0])
    command = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")[:-1]]
    variables = [os.fsdecode(word) for word in (process / "environ").read_bytes().split(b"\0") if b"=" in word]
    os.kill(int(process.name), signal.SIGKILL)
    wait_for(lambda: not (process / "exe").exists(), seconds=20)
    environment = dict(word.split("=", 1) for word in variables)
    quiet = subprocess.DEVNULL
    begun = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    # Process id and start time: by these the cluster's own scripts end it.
    started = Path(f"/proc/{begun.pid}/stat").read_text().rpartition(")")[2].split()[19]
    record.write_text(f"{begun.pid} {started}\n")
