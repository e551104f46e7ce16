"""Progress of the work and requests to stop it.

Progress is a bar on a terminal, `N/M` in `$ARGO_PROGRESS_FILE` in a pod, and a log line now and then elsewhere.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from voicemill.core import logs
from voicemill.core.errors import Interrupted
from voicemill.core.files import replacing

T = TypeVar("T")
log = logs.get_logger(__name__)

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_REPORTS = 1.0
_depth = 0
_stop = threading.Event()
_watchers: list[Callable[[], None]] = []


def progress(items: Iterable[T], label: str = "", *, total: int | None = None) -> Iterator[T]:
    """Go through `items`, showing how far the work is.

    Only the outermost of nested loops is shown, so that the figure never runs backwards.

    Args:
        items: What to go through.
        label: What is being done, for the bar and the log lines.
        total: How many items there are; by default `len(items)` where it is known.
    """
    global _depth
    if total is None:
        total = len(items) if hasattr(items, "__len__") else None  # pyright: ignore[reportArgumentType]
    if _depth:
        yield from items
        return
    _depth += 1
    try:
        if sys.stderr.isatty():
            yield from _bar(items, label, total)
        else:
            yield from _lines(items, label, total)
    finally:
        _depth -= 1


def report_progress(done: int, total: int | None) -> None:
    """Write `done/total` to `$ARGO_PROGRESS_FILE`, whole or not at all; without that variable do nothing."""
    path = os.environ.get("ARGO_PROGRESS_FILE")
    if path and total:
        with replacing(Path(path), durable=False) as partial:
            partial.write_text(f"{done}/{total}")


def _bar(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=logs.console(), transient=True) as bar:
        task = bar.add_task(label, total=total)
        report_progress(0, total)
        for done, item in enumerate(items, start=1):
            yield item
            bar.update(task, completed=done)
            report_progress(done, total)


def _lines(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    report_progress(0, total)
    reported = spoken = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == total or now - reported >= _SECONDS_BETWEEN_REPORTS:
            report_progress(done, total)
            reported = now
        if now - spoken >= _SECONDS_BETWEEN_LINES and done != total:
            log.info("%s %s/%s", label or "done", done, total or "?")
            spoken = now


def stop_requested() -> bool:
    """Return whether SIGTERM (or Ctrl-C) has come: time to save what can be resumed."""
    return _stop.is_set()


def check_stop() -> None:
    """A safe point: call it where everything that can be resumed has been saved.

    Raises:
        Interrupted: if the stage was asked to stop.
    """
    for watcher in _watchers:
        watcher()
    if _stop.is_set():
        raise Interrupted("stopped on request; progress is saved and the next attempt resumes from there")


@contextmanager
def at_safe_points(watcher: Callable[[], None]) -> Generator[None, None, None]:
    """Call `watcher` at every safe point while inside."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def stopping_on_signals(*, resumable: bool) -> Generator[None, None, None]:
    """Turn SIGTERM and SIGINT into a stop request while inside.

    Args:
        resumable: True leaves the stopping to the next `check_stop`, after a checkpoint is saved; a second signal stops
            at once. False stops at once: outputs are atomic, so nothing half-done is seen.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        at_once = not resumable or _stop.is_set()
        _stop.set()
        if at_once:
            raise Interrupted("stopped on request")
        log.warning("stop requested: saving a checkpoint first")

    _stop.clear()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
