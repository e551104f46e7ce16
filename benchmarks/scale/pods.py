"""Pods on fake nodes: reports their outputs as Argo's executor would, and times the GPUs."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from urllib3.exceptions import HTTPError

from benchmarks.scale.counted import Counted
from benchmarks.scale.standins import Json, result
from voicemill.core.errors import TryAgain
from voicemill.engine.slots import GPU

_ARGO = "workflows.argoproj.io"
_WATCH_SECONDS = 300.0
_POSTERS = 6


class Pods(threading.Thread):
    """Follows a namespace's pods until it is told to stop.

    Attributes:
        seen: How many pods there were.
        with_gpu: How many of them asked for a GPU.
        gaps: Seconds from a GPU's end of work to the next pod's binding, where more pods waited than GPUs were free.
        waits: Seconds from a GPU pod's creation (as seen here) until it is bound.
        most_waiting: Largest number of GPU pods that waited at a time.
        problem: What went wrong here, if anything did.
    """

    def __init__(self, api: Counted, namespace: str, gpus: int) -> None:
        super().__init__(daemon=True)
        self.api, self.namespace, self.gpus = api, namespace, gpus
        self.seen = self.with_gpu = self.most_waiting = 0
        self.gaps: list[float] = []
        self.waits: list[float] = []
        self.problem: BaseException | None = None
        self._waiting: dict[str, float] = {}
        self._freed: deque[float] = deque()
        self._phases: dict[str, str] = {}
        self._bound: set[str] = set()
        self._holding: set[str] = set()
        self._posters = ThreadPoolExecutor(_POSTERS)
        self._stopped = threading.Event()

    def check(self) -> None:
        """Raise what went wrong here, if anything did."""
        if self.problem:
            raise RuntimeError("the pods could not be followed to the end") from self.problem

    def stop(self) -> None:
        """Stop soon."""
        self._stopped.set()
        self.check()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._follow()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.problem = error

    def _follow(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        listed = json.loads(self.api.get(path, resource="pods", verb="LIST"))
        for pod in listed["items"]:
            self.changed(pod)
        version = listed["metadata"]["resourceVersion"]
        try:
            for event in self.api.watch(f"{path}?resourceVersion={version}", "pods", _WATCH_SECONDS):
                if event["type"] == "ERROR":
                    return  # too old a version: list anew
                if event["type"] in ("ADDED", "MODIFIED"):
                    self.changed(event["object"])
                if self._stopped.is_set() or self.problem:
                    return
        except (TryAgain, HTTPError):
            return  # broken off: list anew

    def changed(self, pod: Json) -> None:
        """Take note of a pod as it is at this moment."""
        uid, phase, node = pod["metadata"]["uid"], pod["status"].get("phase", ""), pod["spec"].get("nodeName", "")
        now, has_gpu = time.monotonic(), asks_for_gpu(pod)
        if uid not in self._phases:
            self.seen += 1
            self.with_gpu += has_gpu
            if has_gpu and not node:
                self._waiting[uid] = now
                self.most_waiting = max(self.most_waiting, len(self._waiting))
        if has_gpu and node and uid not in self._bound:
            self._bound.add(uid)
            self._holding.add(uid)
            if uid in self._waiting:
                self.waits.append(now - self._waiting.pop(uid))
            if self._freed:
                self.gaps.append(now - self._freed.popleft())
        before = self._phases.get(uid, "")
        self._phases[uid] = phase
        if phase == "Running" and before != "Running":
            self._posters.submit(self._report, pod)
        if phase in ("Succeeded", "Failed") and uid in self._holding:
            if len(self._waiting) > self.gpus - len(self._holding):
                self._freed.append(now)
            self._holding.discard(uid)

    def _report(self, pod: Json) -> None:
        try:
            outcome = task_result(pod)
            path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/workflowtaskresults"
            self.api.post(path, outcome, "workflowtaskresults")
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.problem = self.problem or error


def asks_for_gpu(pod: Json) -> bool:
    """Return whether a pod's stage asks for a GPU."""
    return any(GPU in (each.get("resources", {}).get("limits") or {}) for each in pod["spec"]["containers"])


def task_result(pod: Json) -> Json:
    """Return what Argo's executor reports at the end of a pod: the outputs that its template declares."""
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    texts = [env["value"] for each in containers for env in each.get("env", []) if env["name"] == "ARGO_TEMPLATE"]
    outputs = json.loads(texts[0]).get("outputs") or {}
    metadata = pod["metadata"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTaskResult",
        "metadata": {
            "name": metadata["annotations"][f"{_ARGO}/node-id"],
            "labels": {
                f"{_ARGO}/workflow": metadata["labels"][f"{_ARGO}/workflow"],
                f"{_ARGO}/report-outputs-completed": "true",
            },
        },
        "outputs": {
            "parameters": [
                {"name": item["name"], "value": result(item["name"])} for item in outputs.get("parameters", [])
            ],
            "artifacts": [
                {"name": item["name"], "path": item["path"], "s3": {"key": item["s3"]["key"]}}
                for item in outputs.get("artifacts", [])
            ],
        },
    }
