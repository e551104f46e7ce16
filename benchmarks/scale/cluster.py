"""A batch on a cluster whose GPU nodes kwok plays: Argo, the API server and the scheduler are real, pods are not."""

from __future__ import annotations

import copy
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.scale.counted import METADATA, Counted
from benchmarks.scale.pods import Pods
from benchmarks.scale.standins import Json, clone_voice, gpus_of, spread, stages
from voicemill.cluster import submission
from voicemill.cluster.api import NotThere
from voicemill.cluster.kube import Kube
from voicemill.cluster.submission import Plan

_OBJECTS = "/apis/argoproj.io/v1alpha1/namespaces"
_PROGRAMS = ("workflow-controller", "kube-apiserver", "etcd", "kube-scheduler")
_MOST_BYTES = 1_000_000
_REPORTS = 10
_UNFINISHED = ("", "Pending", "Running")


def main(
    speakers: Annotated[int, typer.Option(help="How many voices.")] = 1000,
    max_parallel: Annotated[int, typer.Option(help="Workflows at the same time.")] = 200,
    gpu_seconds: Annotated[float, typer.Option(help="How long a pod with a GPU takes.")] = 10.0,
    cpu_seconds: Annotated[float, typer.Option(help="How long any other pod takes.")] = 2.0,
    target: Annotated[str, typer.Option(help="Run no more than this stage and those before it; all if empty.")] = "",
    ttl: Annotated[int, typer.Option(help="Seconds that a workflow is kept after its success.")] = 7 * 24 * 3600,
    pod_gc: Annotated[str, typer.Option(help="When pods are deleted, in Argo's words.")] = "OnWorkflowSuccess",
    inline: Annotated[bool, typer.Option("--inline", help="Submit whole workflows, not references.")] = False,
    namespace: Annotated[str, typer.Option(help="Made for this, and deleted afterwards.")] = "scale",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the namespace with all workflows.")] = False,
) -> None:
    """Submit the workflows, play their pods, and print what it cost."""
    kube = Kube(namespace)
    api = Counted(kube)
    nodes = json.loads(api.get("/api/v1/nodes?labelSelector=type=kwok", accept=METADATA))["items"] or []
    if not nodes:
        raise typer.BadParameter("the cluster has no fake nodes (label type=kwok)")
    api.post("/api/v1/namespaces", {"metadata": {"name": namespace}}, "namespaces")
    try:
        template = played(clone_voice(), gpu_seconds, cpu_seconds, target)
        template["spec"]["ttlStrategy"] = {"secondsAfterSuccess": ttl}
        template["spec"]["podGC"] = {"strategy": pod_gc}
        prepare(api, namespace, template)
        until = f", no further than {target}" if target else ""
        print(f"{speakers} speakers{until}, {max_parallel} workflows at once, {len(nodes)} fake nodes with a GPU each")
        print(f"  {gpu_seconds:g} s for a pod with a GPU, {cpu_seconds:g} s for any other")
        how = "inline" if inline else "by reference"
        print(f"  submitted {how}; workflows are kept for {ttl} s, pods deleted {pod_gc}", flush=True)
        plan = replace(submission.plan(kube, "clone-voice"), inline=inline)
        measure(kube, api, plan, len(nodes), speakers, max_parallel, gpu_seconds)
    finally:
        if not keep:
            api.delete(f"{_OBJECTS}/{namespace}/workflows", "workflows", "DELETECOLLECTION")
            api.delete(f"/api/v1/namespaces/{namespace}", "namespaces")


def prepare(api: Counted, namespace: str, template: Json) -> None:
    """What the workflows need in their namespace."""
    account = {"metadata": {"name": "voicemill"}}
    api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account, "serviceaccounts")
    api.post(f"{_OBJECTS}/{namespace}/workflowtemplates", template, "workflowtemplates")


def played(document: Json, gpu_seconds: float, cpu_seconds: float, target: str = "") -> Json:
    """Return the workflow as it is, for nodes that kwok plays: where its pods go and how long they take.

    Args:
        document: The workflow.
        gpu_seconds: How long a pod with a GPU takes.
        cpu_seconds: How long any other does.
        target: The last stage to run, after which the report is left out too; all run if empty.
    """
    document = copy.deepcopy(document)
    spec = document["spec"]
    spec["nodeSelector"] = {"type": "kwok"}
    # No pod could delete what was never uploaded.
    spec["artifactGC"] = {"strategy": "Never"}
    if target:
        (main,) = [template for template in spec["templates"] if template["name"] == spec["entrypoint"]]
        main["dag"]["target"] = target
        main.pop("outputs")
        spec.pop("onExit")
    for stage in stages(document):
        seconds = gpu_seconds if gpus_of(stage) else cpu_seconds
        metadata = stage.setdefault("metadata", {})
        metadata["annotations"] = {**metadata.get("annotations", {}), "testcluster/run": f"{seconds:g}s"}
        stage["tolerations"] = [*stage.get("tolerations", []), {"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
    return document


def measure(
    kube: Kube, api: Counted, plan: Plan, nodes: int, speakers: int, max_parallel: int, gpu_seconds: float
) -> None:
    """Submit, wait, and print."""
    programs = {name: Program(pid) for name in _PROGRAMS if (pid := _pid(name))}
    before, begun = api.totals(), time.monotonic()
    pods = Pods(api, kube.namespace, nodes)
    pods.start()
    largest, phases = 0, Counter[str]()
    for name, phase in workflows(kube, api, plan, speakers, max_parallel):
        if name:
            phases[phase] += 1
            largest = max(largest, size_of(kube, api, name))
            if phases.total() % max(1, speakers // _REPORTS) == 0:
                seconds = time.monotonic() - begun
                print(f"  {seconds:5.0f} s: {standing(kube, api, phases.total(), programs)}", flush=True)
        for program in programs.values():
            program.look()
        pods.check()
    wall = time.monotonic() - begun
    pods.stop()

    in_use = pods.with_gpu * gpu_seconds / (nodes * wall)
    print(f"  wall {wall:.0f} s: {dict(phases)}; {pods.seen} pods, {pods.seen / wall:.1f} a second")
    print(f"  {pods.with_gpu} pods had a GPU: {100 * in_use:.0f} % of the GPUs' time")
    print(f"  the last GPU free until a pod is bound: {spread(pods.gaps)}; at most {pods.most_waiting} waited")
    print(f"  a GPU's pod waited for its node: {spread(pods.waits)}")
    print(f"  largest workflow object: {largest} bytes ({'less' if largest < _MOST_BYTES else 'MORE'} than 1 MB)")
    for name in _PROGRAMS:
        print(f"  {name}: {programs.get(name, 'not a process of this machine')}")
    asked = api.totals() - before
    print(f"  {asked.total()} API requests, {asked.total() / speakers:.0f} a speaker; the most:")
    for (verb, resource), count in asked.most_common(12):
        own = api.requests[verb, resource]
        print(f"    {count:8} {verb} {resource}" + (f" ({own} of them by this script)" if own else ""))
    if phases != {"Succeeded": speakers} or largest >= _MOST_BYTES:
        raise typer.Exit(1)


def standing(kube: Kube, api: Counted, ended: int, programs: Mapping[str, Program]) -> str:
    """Return how many workflows have ended, how many objects there are, and what the programs hold in memory now."""
    kept, pods = (
        len(json.loads(api.get(path, resource=resource, verb="LIST", accept=METADATA))["items"] or [])
        for resource, path in (
            ("workflows", f"{_OBJECTS}/{kube.namespace}/workflows"),
            ("pods", f"/api/v1/namespaces/{kube.namespace}/pods"),
        )
    )
    memory = ", ".join(f"{name} {program.memory():.0f}" for name, program in programs.items())
    return f"{ended} ended; {kept} workflows and {pods} pods exist; MiB: {memory}"


def size_of(kube: Kube, api: Counted, name: str) -> int:
    """Return the bytes of a workflow object; 0 where its time to live has ended."""
    try:
        return len(api.get(f"{_OBJECTS}/{kube.namespace}/workflows/{name}", resource="workflows"))
    except NotThere:
        return 0


def workflows(kube: Kube, api: Counted, plan: Plan, speakers: int, max_parallel: int) -> Iterator[tuple[str, str]]:
    """Submit a workflow for each speaker, some at once.

    Yields:
        The name and the phase of each that has ended, and two empty texts every second.
    """
    todo, active = list(range(speakers)), set[str]()
    while todo or active:
        phases = _phases(api, kube.namespace)
        for name in sorted(active):
            if phases.get(name) not in _UNFINISHED:
                active.discard(name)
                yield name, phases.get(name, "deleted before its end was seen")
        if todo and len(active) < max_parallel:
            number = todo.pop()
            values = {"speaker": f"speaker-{number:05}", "source": "s3:///recordings", "models": "s3:///models"}
            active.add(submission.create(kube, plan, values, f"clone-voice-{number:05}")["metadata"]["name"])
            api.requests["POST", "workflows"] += 1
        else:
            time.sleep(1)
        yield "", ""


def _phases(api: Counted, namespace: str) -> dict[str, str]:
    """Return the phases of the workflows that exist, by name; empty for one that Argo has not looked at yet."""
    listed = json.loads(
        api.get(f"{_OBJECTS}/{namespace}/workflows", resource="workflows", verb="LIST", accept=METADATA)
    )
    label = "workflows.argoproj.io/phase"
    return {
        item["metadata"]["name"]: item["metadata"].get("labels", {}).get(label, "") for item in listed["items"] or []
    }


class Program:
    """Memory and processor time of a process of this machine since it was first looked at."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.before = self.most = self.memory()
        self._processor_before = self._processor()

    def look(self) -> None:
        """Note its memory."""
        self.most = max(self.most, self.memory())

    def __str__(self) -> str:
        seconds = self._processor() - self._processor_before
        return f"{self.before:.0f} MiB before, {self.most:.0f} MiB at most, {seconds:.0f} s of processor time"

    def memory(self) -> float:
        """Return what is resident now, in MiB."""
        (line,) = [line for line in self._read("status").splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def _processor(self) -> float:
        """Return seconds, in user and system mode."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()


def _pid(program: str) -> int | None:
    """Return the oldest process of this machine that runs a program, or a program's part of that name."""
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")[:2]
        except OSError:
            continue
        if program in [Path(word.decode(errors="replace")).name for word in words]:
            return int(entry.name)
    return None
