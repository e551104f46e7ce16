"""Stopping at a signal: SIGINT and SIGTERM let every stage save its work first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EXIT_TRY_AGAIN = 75
EXIT_INTERRUPTED = 130


class Stop:
    """Turns SIGINT and SIGTERM, while it is entered, into the cancellation of what it watches over.

    Attributes:
        exit_code: What a process that stops ends with: 130 for Ctrl-C, else 75.
    """

    def __init__(self) -> None:
        self.exit_code = EXIT_TRY_AGAIN
        self.received = False
        self._work: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

    def over(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that the next signal cancels."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _stop(self, number: int) -> None:
        if not self.received:
            self.exit_code = EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TRY_AGAIN
        self.received = True
        for task in self._work:
            task.cancel()
