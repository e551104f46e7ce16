"""Running a batch on this machine: a run for each speaker, some at once, all on the same slots."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voicemill.batch import state as states
from voicemill.batch.state import Batch
from voicemill.batch.validation import SpeakerJob
from voicemill.core import logs
from voicemill.core.errors import Cause, UsageError, VoicemillError, cause_of, known
from voicemill.engine.execution import Options
from voicemill.engine.nodes import Phase
from voicemill.engine.run import Result, conduct
from voicemill.engine.slots import Request, Slots
from voicemill.engine.stopping import Stop
from voicemill.engine.workflow import Workflow

log = logs.get_logger(__name__)
Watcher = Callable[[str, SpeakerJob], None]
"""Told of `begun` and `ended`."""

_LOCK_SECONDS = 2.0


@dataclass
class Room:
    """How much at once.

    Attributes:
        slots: What tasks may use of this machine, all runs together.
        max_parallel: Speakers that are worked on at the same time.
    """

    slots: Request
    max_parallel: int


def run(
    batch: Batch, workflow: Workflow, out: Path, *, room: Room, options: Options, watcher: Watcher = lambda *_: None
) -> int:
    """Make the voices that are not there yet. One that fails harms no other.

    Args:
        batch: What is asked for; kept in the folder.
        workflow: That makes a voice.
        out: The batch's folder. Run again with the same one to resume.
        room: How much at once.
        options: How the runs behave.
        watcher: Told when a speaker's run begins and ends.

    Returns:
        0; 75 or 130 if it was stopped by a signal.

    Raises:
        UsageError: if the batch runs already.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with _lock(out):
        batch.write(out)
        return asyncio.run(_all(batch, workflow, out, room, options, watcher))


async def _all(batch: Batch, workflow: Workflow, out: Path, room: Room, options: Options, watcher: Watcher) -> int:
    slots, places = Slots(room.slots), asyncio.Semaphore(room.max_parallel)

    async def one(job: SpeakerJob, stop: Stop) -> None:
        async with places:
            if stop.received:
                return
            folder = states.run_folder(out, job)
            input_digest = await asyncio.to_thread(_input_digest, job)
            ended = states.outcome_of(folder)
            if ended and ended["outcome"] == "voice" and ended["mark"] == input_digest:
                return
            states.forget_outcome(folder)
            watcher("begun", job)
            outcome, reason, cause = await _one(workflow, job, folder, slots, stop, options)
            folder.mkdir(parents=True, exist_ok=True)
            ended = {"mark": input_digest, "outcome": outcome, "reason": reason, "cause": cause or ""}
            states.write_outcome(folder, ended)
            watcher("ended", job)

    with Stop() as stop:
        async with asyncio.TaskGroup() as runs:
            for job in batch.jobs:
                runs.create_task(one(job, stop))
        return stop.exit_code if stop.received else 0


async def _one(
    workflow: Workflow, job: SpeakerJob, folder: Path, slots: Slots, stop: Stop, options: Options
) -> tuple[states.Ending, str, Cause | None]:
    """Return a speaker's run: how it ended, why, and whose turn it is."""
    try:
        result = await conduct(workflow, job.values, folder, slots=slots, stop=stop, options=options)
    except Exception as error:
        if told := known(error):
            return "failed", str(told), cause_of(told.exit_code)
        # A fault of the engine's own; the other speakers go on, and the trace is in the log.
        log.exception("the run of %s failed unexpectedly", job.speaker)
        return "failed", f"{type(error).__name__}: {error}", "bug"
    return _outcome(result)


def _outcome(result: Result) -> tuple[states.Ending, str, Cause | None]:
    if result.waiting:
        return "stopped", f"waits for approval: {', '.join(result.waiting)}", None
    if result.phase is Phase.SUCCEEDED:
        return "voice", "", None
    if result.failed is not None:
        reason = f"{result.failed.name}: {result.failed.message}"
        code = result.failed.exit_code
        return "failed", reason, None if code is None else cause_of(code)
    return "stopped", "", None


def _input_digest(job: SpeakerJob) -> str:
    try:
        return states.input_digest_of(job)
    except (VoicemillError, OSError) as error:
        # The run itself says what is wrong with the source.
        return f"unknown: {error}"


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Hold the batch's folder; the lock goes with the process, however it ends."""
    deadline = time.monotonic() + _LOCK_SECONDS
    with (out / states.LOCK).open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Who looks at the state holds it for a moment.
                if time.monotonic() > deadline:
                    raise UsageError(f"the batch in {out} is already running") from None
                time.sleep(0.05)
        yield
