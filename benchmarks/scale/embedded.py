"""A batch in the embedded engine with more GPUs than this machine has; commands sleep in the stages' place."""

from __future__ import annotations

import copy
import resource
import shlex
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import typer
import yaml

from benchmarks.scale.standins import Json, clone_voice, gpus_of, result, spread, stages
from voicemill.batch import local
from voicemill.batch.state import Batch, outcome_of, run_folder
from voicemill.batch.validation import SpeakerJob
from voicemill.engine.execution import Options
from voicemill.engine.slots import Request, Slots
from voicemill.engine.workflow import load

ENDLESS = 1e18
"""Cores and bytes: GPUs alone are short."""


class Watched(Slots):
    """Slots that note how long a GPU that somebody waits for lies idle.

    Attributes:
        gaps: Seconds from a GPU's return until the next task has it and starts its process.
        most_waiting: Largest number of tasks that waited for a GPU.
        tasks: How many ran.
        gpu_tasks: How many of them with a GPU.
    """

    def __init__(self, total: Request) -> None:
        super().__init__(total)
        self.gaps: list[float] = []
        self.most_waiting = self.tasks = self.gpu_tasks = 0
        self._freed: dict[int, float] = {}

    @asynccontextmanager
    async def take(self, request: Request) -> AsyncIterator[list[int]]:
        async with super().take(request) as gpus:
            now = time.perf_counter()
            self.gaps += [now - self._freed.pop(gpu) for gpu in gpus if gpu in self._freed]
            self.tasks += 1
            self.gpu_tasks += bool(gpus)
            yield gpus

    def _give_back(self, request: Request, gpus: list[int]) -> None:
        waiting = sum(bool(waiter.request.gpus) for waiter in self._waiting)
        self.most_waiting = max(self.most_waiting, waiting)
        if waiting:
            self._freed |= dict.fromkeys(gpus, time.perf_counter())
        super()._give_back(request, gpus)


def standing_in(document: Json, gpu_seconds: float) -> Json:
    """Return the workflow with commands that write each stage's outputs and, where it has a GPU, sleep."""
    document = copy.deepcopy(document)
    for stage in stages(document):
        outputs = stage.get("outputs", {})
        lines = [
            f"printf %s {shlex.quote(result(item['name']))} > '{{{{outputs.parameters.{item['name']}.path}}}}'"
            for item in outputs.get("parameters", [])
        ]
        lines += [
            f"echo '{{}}' > '{{{{outputs.artifacts.{item['name']}.path}}}}'" for item in outputs.get("artifacts", [])
        ]
        wait = f"exec sleep {gpu_seconds}" if gpus_of(stage) else "exit 0"
        stage["container"] |= {"command": ["/bin/sh", "-c"], "args": ["; ".join([*lines, wait])]}
    return document


def main(
    speakers: Annotated[int, typer.Option(help="How many voices.")] = 1000,
    gpus: Annotated[int, typer.Option(help="GPU slots to pretend.")] = 200,
    max_parallel: Annotated[int, typer.Option(help="Speakers that are worked on at the same time.")] = 300,
    gpu_seconds: Annotated[float, typer.Option(help="How long each stage with a GPU takes.")] = 10.0,
) -> None:
    """Run the batch in this process and print what it cost."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        measure(Path(folder), speakers, gpus, max_parallel, gpu_seconds)


def measure(folder: Path, speakers: int, gpus: int, max_parallel: int, gpu_seconds: float) -> None:
    """Run it in a folder."""
    file = folder / "clone-voice.yaml"
    file.write_text(yaml.safe_dump(standing_in(clone_voice(), gpu_seconds), sort_keys=False))
    source = folder / "recordings"
    source.mkdir()
    (source / "speech.wav").write_bytes(b"")
    names = [f"speaker-{number:05}" for number in range(speakers)]
    values = {"source": str(source), "models": str(source)}
    jobs = tuple(SpeakerJob(line, name, {"speaker": name, **values}) for line, name in enumerate(names, start=2))
    batch = Batch(str(file), "speakers.csv", jobs)
    workflow = load(str(file))

    watched = Watched(Request(ENDLESS, ENDLESS, gpus))
    before, usage, begun = _most_mib(), _own_seconds(), time.perf_counter()
    with patch.object(local, "Slots", lambda total: watched):
        room = local.Room(slots=watched.total, max_parallel=max_parallel)
        code = local.run(batch, workflow, folder / "out", room=room, options=Options())
    wall, own = time.perf_counter() - begun, _own_seconds() - usage

    folders = [run_folder(folder / "out", job) for job in jobs]
    ends = [outcome_of(each) or {} for each in folders]
    voices = sum(end.get("outcome") == "voice" for end in ends)
    records = [record.stat().st_size for each in folders if (record := each / "run.jsonl").exists()]
    busy = watched.gpu_tasks * gpu_seconds / (gpus * wall)
    print(f"{speakers} speakers, {max_parallel} at once, {gpus} GPU slots, {gpu_seconds:g} s for each stage with a GPU")
    print(f"  ended with {code}: {voices} voices, {watched.tasks} tasks, {watched.gpu_tasks} of them with a GPU")
    print(f"  wall {wall:.0f} s, {watched.tasks / wall:.1f} tasks a second; GPUs in use {100 * busy:.0f} % of the time")
    print(f"  a GPU lay idle while tasks waited: {spread(watched.gaps)}; at most {watched.most_waiting} waited")
    print(f"  the scheduler's memory: {before:.0f} MiB before, {_most_mib():.0f} MiB at most")
    print(f"  its processor time: {1000 * own / max(watched.tasks, 1):.1f} ms a task")
    print(f"  largest record of a run: {max(records, default=0) / 1024:.0f} KiB")
    if voices < speakers:
        print("\n".join(sorted({end.get("reason", "nothing is known") for end in ends} - {""})[:5]))
        raise typer.Exit(1)


def _most_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
