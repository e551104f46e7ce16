"""Plays Argo's workflow controller for the speakers' workflows of a batch: they begin, run for a moment and end."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

from tests.fakes.argo_api import Cluster
from voicemill.batch import speaker_workflows
from voicemill.cluster import nodes

Json = dict[str, Any]
_SECONDS = 0.02
_TICKS = 3


class Controller:
    """Works on a cluster's workflows while inside.

    Attributes:
        fails: Speakers whose ingest fails, with the sentence.
        held: Speakers whose workflow runs on until it is told to end, or let go.
        no_image: Those of the held whose pod waits for an image that cannot be pulled.
        code: Exit code of an ingest that fails.
        begun: Speakers, each time a workflow of theirs began.
        most: How many ran at once at most.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        fails: dict[str, str] | None = None,
        held: set[str] | None = None,
        no_image: set[str] | None = None,
        code: str = "65",
    ) -> None:
        self.cluster = cluster
        self.fails, self.held, self.no_image, self.code = fails or {}, held or set(), no_image or set(), code
        self.begun: list[str] = []
        self.most = 0
        self._age: dict[str, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Controller:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def runs(self, phase: str) -> list[str]:
        """Speakers whose workflow is in a phase."""
        with self.cluster.lock:
            return [speaker(run) for run in self._mine() if run["metadata"]["labels"].get(nodes.PHASE) == phase]

    def _mine(self) -> list[Json]:
        return [run for run in self.cluster.runs if speaker_workflows.CONDUCTOR in run["metadata"].get("labels", {})]

    def _work(self) -> None:
        while not self._end.wait(_SECONDS):
            with self.cluster.lock:
                for run in self._mine():
                    self._act(run)
                self.most = max(self.most, len(self.runs("Running")))

    def _act(self, run: Json) -> None:
        labels, name, who = run["metadata"]["labels"], run["metadata"]["name"], speaker(run)
        if nodes.PHASE not in labels:
            self.begun.append(who)
            self._age[name] = 0
            labels |= {nodes.PHASE: "Running", speaker_workflows.COMPLETED: "false"}
        elif labels[nodes.PHASE] == "Running":
            self._age[name] += 1
            if "shutdown" in run["spec"]:
                self._finish(run, "Failed", {})
            elif self._age[name] >= _TICKS and who not in self.held:
                failure = self.fails.get(who)
                self._finish(run, "Failed" if failure else "Succeeded", nodes_of(failure, self.code))
            elif who in self.no_image:
                pod = {**_pod("ingest", "Pending", None), "message": 'ErrImagePull: failed to pull "ingest:1"'}
                run["status"] = {"phase": "Running", "nodes": {"i": pod}}

    def _finish(self, run: Json, phase: str, its_nodes: Json) -> None:
        run["metadata"]["labels"] |= {nodes.PHASE: phase, speaker_workflows.COMPLETED: "true"}
        run["status"] = {
            "phase": phase,
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T01:30:00Z",
            "resourcesDuration": {"cpu": 7200, "memory": 99, "nvidia.com/gpu": 3600},
            "artifactRepositoryRef": {"artifactRepository": {"s3": {"bucket": "studio"}}},
            "nodes": its_nodes,
        }


def speaker(run: Json) -> str:
    """Whose workflow it is."""
    return next(item["value"] for item in run["spec"]["arguments"]["parameters"] if item["name"] == "speaker")


def nodes_of(failure: str | None, code: str = "65") -> Json:
    """The nodes of clone-voice that tell what came of it."""
    if failure:
        return {"i": {**_pod("ingest", "Failed", None), "message": failure, "outputs": {"exitCode": code}}}
    published = {"version": "0123456789abcdef", "error_rate": 0.1, "similarity": 0.9, "score": 0.8}
    return {
        "i": _pod("ingest", "Succeeded", {"seconds": 300.0}),
        "f": _pod("format", "Succeeded", {"seconds": 240.0}) | {"resourcesDuration": {"nvidia.com/gpu": 600}},
        "t": _pod("train-gpt", "Succeeded", {"epochs": 8}) | {"resourcesDuration": {"nvidia.com/gpu": 2400}},
        "p": _pod("publish", "Succeeded", published),
    }


def _pod(name: str, phase: str, summary: Json | None) -> Json:
    said = {"parameters": [{"name": "summary", "value": json.dumps(summary)}]} if summary else {}
    outputs = {**said, "exitCode": "0" if summary else "65"}
    times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:10:00Z"}
    return {"id": name, "name": name, "displayName": name, "type": "Pod", "phase": phase, "outputs": outputs, **times}
