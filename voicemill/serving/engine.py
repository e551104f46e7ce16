"""The thread that speaks: requests come from the server's event loop, and their sound goes back there piece by piece.

One thread computes for all voices, a step of each voice's batch after the other. It never waits for a client: sound is
handed over at once, and a request whose client does not take it begins no further sentence until it does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.synthesis import Options, Prompt, Script
from voicemill.gpt_sovits.synthesis.streaming import Stream, StreamingSynthesizer

MOST_WAITING_SECONDS = 20
"""Sound that may wait for its client before no further sentence is begun."""
_RECENT = 20
log = get_logger(__name__)


@dataclass(frozen=True)
class Failed:
    """A request ended before its speech was whole.

    Attributes:
        reason: A sentence.
        status: As HTTP has it.
    """

    reason: str
    status: int = 500


@dataclass(frozen=True)
class Ended:
    """All was said; `report` is `Speech.report`."""

    report: dict[str, Any]


Piece = np.ndarray | Ended | Failed


class Full(Exception):
    """As many requests wait as may.

    Attributes:
        retry_after: Seconds until there will probably be room.
    """

    def __init__(self, retry_after: int):
        super().__init__("the server is busy: as many requests as may are waiting; try again later")
        self.retry_after = retry_after


@dataclass(eq=False)
class Job:
    """A request that is spoken.

    Attributes:
        stream: What is spoken.
        speaker: Who speaks it.
        loop: Where it came from.
        pieces: Sound float32 `[n]` in order, at last `Ended` or `Failed`.
    """

    stream: Stream
    speaker: StreamingSynthesizer
    loop: asyncio.AbstractEventLoop
    began: float = field(default_factory=time.monotonic)
    pieces: asyncio.Queue[Piece] = field(default_factory=asyncio.Queue)
    waiting: int = 0

    def tell(self, piece: Piece) -> None:
        """Hand something over to the event loop, from any thread."""
        if isinstance(piece, np.ndarray):
            self.waiting += len(piece)
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)


class Engine:
    """Speaks for all voices.

    Args:
        most: Requests that are spoken or wait at a time; more are refused.
    """

    def __init__(self, most: int = 64):
        self.most = most
        self.jobs: dict[Stream, Job] = {}
        self._orders: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._took: deque[float] = deque(maxlen=_RECENT)
        self._reserved = 0
        self._thread = threading.Thread(target=self._run, name="voicemill-engine", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def load(self) -> int:
        """How many requests are spoken or wait."""
        return len(self.jobs) + self._reserved

    def reserve(self) -> None:
        """Take a place for a request whose text is still being read; `submit` or `release` gives it up.

        Raises:
            Full: If there is none.
        """
        if self.load >= self.most:
            took = sum(self._took) / len(self._took) if self._took else 1.0
            raise Full(max(1, min(60, round(took))))
        self._reserved += 1

    def release(self) -> None:
        """Give a place up."""
        self._reserved -= 1

    def submit(
        self, speaker: StreamingSynthesizer, script: Script, prompt: Prompt, options: Options, *, is_chunked: bool
    ) -> Job:
        """Let a script be spoken; called from the event loop, with a place that was reserved."""
        stream = Stream(script, prompt, options, lambda _: None, is_chunked=is_chunked)
        job = Job(stream, speaker, asyncio.get_running_loop())
        stream.hear = job.tell
        most = MOST_WAITING_SECONDS * speaker.synthesizer.sound.rate
        stream.takes = lambda: job.waiting < most
        self.release()
        self.jobs[stream] = job
        self._order(lambda: speaker.begin(stream))
        return job

    def took(self, job: Job, samples: int) -> None:
        """Count sound that the client has taken."""
        job.waiting -= samples
        self._order(lambda: None)

    def cancel(self, job: Job) -> None:
        """Speak a request no further; nothing happens if it has ended."""
        if self.jobs.pop(job.stream, None) is not None:
            self._order(lambda: job.speaker.cancel(job.stream))

    def cancel_all(self, speaker: StreamingSynthesizer, reason: Failed) -> None:
        """Speak no further by a voice; its clients are told why."""
        for job in [job for job in list(self.jobs.values()) if job.speaker is speaker]:
            self.cancel(job)
            job.tell(reason)

    def stop(self) -> None:
        """End the thread; requests that are not done are told so."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(30)

    def _order(self, order: Callable[[], None]) -> None:
        with self._changed:
            self._orders.append(order)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                speakers = {job.speaker for job in list(self.jobs.values())}
                busy = [speaker for speaker in speakers if not speaker.is_idle]
                if not (self._orders or busy or self._stopping):
                    self._changed.wait(1.0)
                if self._stopping:
                    break
                orders, self._orders = self._orders, deque()
            for order in orders:
                order()
            for speaker in busy:
                self._step(speaker)
        for job in list(self.jobs.values()):
            job.tell(Failed("the server was stopped", 503))

    def _step(self, speaker: StreamingSynthesizer) -> None:
        try:
            ended = speaker.step()
        except (RuntimeError, ValueError) as error:
            # What is in the batch cannot be distinguished any more: out of memory, most likely.
            log.exception("a step failed, and with it the requests of its batch")
            failed = [job for job in list(self.jobs.values()) if job.speaker is speaker]
            for job in failed:
                speaker.cancel(job.stream)
                self._end(job, Failed(f"the models failed: {' '.join(str(error).split())[:200]}"))
            return
        for stream in ended:
            job = self.jobs.get(stream)
            if job is None:
                continue
            if stream.report is not None:
                self._took.append(time.monotonic() - job.began)
                self._end(job, Ended(stream.report))
            else:
                log.error("a request failed: %s", stream.error)
                self._end(job, Failed(f"the models failed: {' '.join(str(stream.error).split())[:200]}"))

    def _end(self, job: Job, how: Ended | Failed) -> None:
        self.jobs.pop(job.stream, None)
        job.tell(how)
