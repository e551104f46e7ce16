"""What is known of a batch, read from its folder alone: by who runs it, by who looks on, and after a kill.

DIR/batch.json                  what was asked for
DIR/voices/<speaker>/           the speaker's run folder, with run.jsonl
DIR/voices/<speaker>/.outcome   how it ended, and what for
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from voicemill.batch.validation import SpeakerJob
from voicemill.contract.flow import uses_of
from voicemill.contract.template import GPU_MEMORY
from voicemill.core import gpu_cost, untrusted
from voicemill.core.display import display
from voicemill.core.errors import Cause, InputError
from voicemill.core.files import write_text
from voicemill.core.gpu_cost import Prices
from voicemill.core.safe_paths import what_is_wrong
from voicemill.engine.digests import digest_of
from voicemill.engine.fields import section
from voicemill.engine.workflow import Workflow
from voicemill.storage import is_remote, open_store

RUNS = "voices"
"""Where the run folders lie: the place where a revocation looks for a speaker's artifacts."""
LOCK = ".lock"
_BATCH = "batch.json"
_OUTCOME = ".outcome"
_FORMAT = 1

Ending = Literal["voice", "failed", "stopped", "running", "waiting"]


@dataclass(frozen=True)
class Batch:
    """What was asked for.

    Attributes:
        workflow: Name or file of the workflow that makes a voice.
        manifest: The manifest's path, for the heading.
        jobs: A voice each.
        min_success_ratio: Share of voices that must come out.
        gpu_hour: Price of an hour of any GPU; 0 takes those of the environment, by class.
        cpu_hour: Price of an hour of a CPU core.
        gpu_classes: Task -> class of the GPU that it asks for.
    """

    workflow: str
    manifest: str
    jobs: tuple[SpeakerJob, ...]
    min_success_ratio: float = 1.0
    gpu_hour: float = 0.0
    cpu_hour: float = 0.0
    gpu_classes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def gpu_prices(self) -> Prices:
        """Prices of a GPU hour by class."""
        told = gpu_cost.prices()
        return Prices(dict.fromkeys(gpu_cost.CLASSES.values(), self.gpu_hour), told.currency) if self.gpu_hour else told

    @property
    def has_prices(self) -> bool:
        """Whether costs can be said."""
        return bool(self.gpu_prices or self.cpu_hour)

    def write(self, out: Path) -> None:
        """Keep it in the batch's folder."""
        out.mkdir(parents=True, exist_ok=True)
        fields = asdict(self)
        fields["orders"] = fields.pop("jobs")
        write_text(out / _BATCH, json.dumps({"format": _FORMAT, **fields}, ensure_ascii=False, indent=2) + "\n")


def gpu_classes(workflow: Workflow) -> dict[str, str]:
    """Return the class of the GPU that each task of a workflow asks for, of those that ask for one."""
    annotations = (
        (use.template["name"], section(section(use.template, "metadata"), "annotations")) for use in uses_of(workflow)
    )
    return {
        name: gpu_cost.CLASSES[given[GPU_MEMORY]]
        for name, given in annotations
        if given.get(GPU_MEMORY) in gpu_cost.CLASSES
    }


def read_batch(out: Path) -> Batch:
    """Return what a batch's folder was made for.

    Raises:
        InputError: if it is not a batch's folder, or a later voicemill's.
    """
    hint = "give the folder of a batch, or start a new one"
    fields = untrusted.read_json(out / _BATCH, dict, hint=hint)
    if fields.pop("format", None) != _FORMAT:
        raise InputError(f"{out} was made by another version of voicemill")
    if "orders" in fields:
        fields["jobs"] = fields.pop("orders")
    batch = untrusted.shaped(Batch, fields, out / _BATCH, hint=hint)
    for job in batch.jobs:
        problem = what_is_wrong(job.speaker) or ("it has folders in it" if "/" in job.speaker else "")
        if problem:
            raise InputError(f"{display(out / _BATCH)} names the speaker {display(job.speaker)}: {problem}; {hint}")
    return batch


@dataclass
class Work:
    """What a run did so far, by its events.

    Attributes:
        tasks: Tasks that run at this moment.
        done: Tasks that ended well.
        seconds: For which anything ran.
        gpu_seconds: Seconds times GPUs, of all tries.
        cpu_seconds: Seconds times cores asked for, of all tries.
        gpu_by_task: The GPU seconds of each task that had any.
        failure: The message of the last task that failed.
    """

    tasks: list[str] = field(default_factory=list)
    done: int = 0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    cpu_seconds: float = 0.0
    gpu_by_task: dict[str, float] = field(default_factory=dict[str, float])
    failure: str = ""


@dataclass
class State:
    """A speaker's row: what is known at this moment. None is what is not known."""

    speaker: str
    line: int
    outcome: Ending
    reason: str = ""
    cause: Cause | Literal[""] = ""
    voice: str | None = None
    minutes_in: float | None = None
    minutes_used: float | None = None
    error_rate: float | None = None
    similarity: float | None = None
    score: float | None = None
    minutes: float = 0.0
    gpu_minutes: float = 0.0
    training_gpu_minutes: float = 0.0
    inference_gpu_minutes: float = 0.0
    cpu_minutes: float = 0.0
    cost: float = 0.0
    folder: str = ""
    tasks: tuple[str, ...] = ()

    def spend(self, gpu_seconds: Mapping[str, float], cpu_seconds: float, batch: Batch) -> None:
        """Fill in what it took and what that costs.

        Args:
            gpu_seconds: By task, of all tries; those of a task without a class count as the dearer one.
            cpu_seconds: Seconds times cores.
            batch: Has the prices.
        """
        by_class = dict.fromkeys(gpu_cost.CLASSES.values(), 0.0)
        for task, seconds in gpu_seconds.items():
            by_class[batch.gpu_classes.get(task, "training")] += seconds
        self.training_gpu_minutes, self.inference_gpu_minutes = by_class["training"] / 60, by_class["inference"] / 60
        self.gpu_minutes, self.cpu_minutes = sum(by_class.values()) / 60, cpu_seconds / 60
        self.cost = batch.gpu_prices.cost(by_class) + cpu_seconds / 3600 * batch.cpu_hour


def run_folder(out: Path, job: SpeakerJob) -> Path:
    """Return where the run for an order lies."""
    return out / RUNS / job.speaker


def states(batch: Batch, out: Path) -> list[State]:
    """Return all rows, in the order of the manifest."""
    running = is_running(out)
    return [state(batch, job, out, running=running) for job in batch.jobs]


def state(batch: Batch, job: SpeakerJob, out: Path, *, running: bool) -> State:
    """Return one row.

    Args:
        batch: What was asked for.
        job: The speaker's.
        out: The batch's folder.
        running: Whether somebody runs the batch.
    """
    folder = run_folder(out, job)
    ended = outcome_of(folder)
    work = replay(folder / "run.jsonl")
    row = State(job.speaker, job.line, "waiting", folder=folder.relative_to(out).as_posix())
    if ended:
        row.outcome, row.reason = ended["outcome"], ended["reason"]
        row.cause = ended.get("cause", "")
    elif work is not None:
        row.outcome, row.tasks = ("running", tuple(work.tasks)) if running and work.tasks else ("stopped", ())
    if work is not None:
        row.minutes = work.seconds / 60
        row.spend(work.gpu_by_task, work.cpu_seconds, batch)
    row.minutes_in = _minutes(folder, "ingest")
    row.minutes_used = _minutes(folder, "format")
    published = _summary(folder, "publish") if row.outcome == "voice" else {}
    row.voice = published.get("version")
    row.error_rate, row.similarity, row.score = (published.get(name) for name in ("error_rate", "similarity", "score"))
    return row


def input_digest_of(job: SpeakerJob) -> str:
    """Return a digest of what an order's voice is made from, as far as it shows without reading it.

    Raises:
        TryAgain: if its source is on S3, which is away.
    """
    return digest_of({"values": job.values, "source": list(_looks(job.values.get("source", "")))})


def _looks(source: str) -> Iterator[tuple[str, int, str]]:
    """Return name, size and time or tag of every file of a source."""
    if is_remote(source):
        yield from ((entry.key, entry.size, entry.tag) for entry in open_store(source).list())
        return
    place = Path(source)
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            about = path.stat()
            yield path.relative_to(place).as_posix(), about.st_size, str(about.st_mtime_ns)


def outcome_of(folder: Path) -> dict[str, Any] | None:
    """How a run ended: `mark` (its input digest), `outcome`, `reason`, `cause`; None as long as it has not."""
    try:
        return untrusted.read_json(folder / _OUTCOME, dict)
    except InputError:
        return None


def write_outcome(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep how a run ended."""
    write_text(folder / _OUTCOME, json.dumps(outcome, ensure_ascii=False) + "\n")


def forget_outcome(folder: Path) -> None:
    """The run starts over."""
    (folder / _OUTCOME).unlink(missing_ok=True)


def replay(events: Path) -> Work | None:
    """Return what a run did, by its `run.jsonl`; None if it never began."""
    if not events.is_file():
        return None
    work = Work()
    going: dict[str, tuple[float, float, int]] = {}
    begun = last = 0.0

    def stop(task: str, at: float) -> None:
        since, cpu, gpus = going.pop(task)
        work.cpu_seconds += (at - since) * cpu
        work.gpu_seconds += (at - since) * gpus
        if gpus:
            work.gpu_by_task[task] = work.gpu_by_task.get(task, 0.0) + (at - since) * gpus

    for event in _lines(events):
        at, task = event.get("time"), event.get("task")
        if not isinstance(at, int | float) or not isinstance(task, str | None):
            continue
        if event.get("event") in ("run", "end"):
            # What a kill cut off is counted up to the last thing that was heard of it.
            for name in list(going):
                stop(name, last if event.get("event") == "run" else at)
            work.seconds += (last if event.get("event") == "run" else at) - begun if begun else 0.0
            begun = at if event.get("event") == "run" else 0.0
        elif task and event.get("phase") == "Running" and "log" in event:
            going[task] = (at, _number(event.get("cpu")), int(_number(event.get("gpus"))))
        elif task in going and (event.get("event") == "try" or event.get("phase") != "Running"):
            stop(task, at)
        if event.get("phase") in ("Succeeded", "Cached") and event.get("event") == "task":
            work.done += 1
        if event.get("phase") in ("Failed", "Error"):
            work.failure = f"{task}: {event.get('message', '')}"
        last = at
    if begun:
        work.seconds += last - begun
    work.tasks = list(going)
    return work


def is_running(out: Path) -> bool:
    """Return whether somebody runs the batch in this folder."""
    try:
        with (out / LOCK).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _summary(folder: Path, task: str) -> dict[str, Any]:
    """Return what a stage said of itself when it ended well."""
    try:
        return summary_of(untrusted.read_json(folder / task / "_SUCCESS.json", dict)["parameters"]["summary"])
    except (InputError, KeyError, TypeError):
        return {}


def summary_of(text: object) -> dict[str, Any]:
    """Return a stage's summary, parsed; empty if it is damaged, so that one stage's figures are missing and no more."""
    try:
        return untrusted.json_value(text, dict, nan=True) if isinstance(text, str) else {}
    except untrusted.Unreadable:
        return {}


def _minutes(folder: Path, task: str) -> float | None:
    """Minutes of audio that a stage kept; where it failed, by its ledger."""
    seconds = _summary(folder, task).get("seconds")
    ledger = folder / task / "ledger.jsonl"
    if seconds is None and ledger.is_file():
        seconds = sum(_number(row.get("seconds")) for row in _lines(ledger) if row.get("outcome") == "kept")
    return seconds / 60 if isinstance(seconds, int | float) else None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Return the objects of a file with one a line. A line that is damaged or still being written is passed over."""
    for line in untrusted.read_bytes(path).split(b"\n"):
        try:
            yield untrusted.json_value(line, dict, nan=True)
        except untrusted.Unreadable:
            continue


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
