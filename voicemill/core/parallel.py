"""Work on several items at once, whose results are taken in the order of the items."""

from __future__ import annotations

import contextvars
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 4
"""Threads, however many cores a node has: a pod asks for one core and uses what is idle beside it."""
IN_MEMORY = 256 * 2**20
"""Bytes of items that are worked on at once; stages are given a few GiB, and work takes several times its input."""


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(
    work: Callable[[T], R], items: Iterable[T], size: Callable[[T], int], threads: int | None = None
) -> Iterator[tuple[T, Future[R]]]:
    """Do the work of the next items while the caller takes the result of an earlier one.

    For work that releases Python's global lock: decoding, numpy, ONNX Runtime. What ended for want of memory is done
    again alone, so that it does not fail for what was beside it.

    Args:
        work: Called with an item, in a thread; it must not share what it changes with another call.
        items: What to work on.
        size: Bytes that an item takes. While items worked on take more than `IN_MEMORY`, no further one is begun.
        threads: How many are worked on at once; by default as many as there are cores, `MOST` at most.

    Yields:
        Each item, in the order given, with the future whose `result()` returns what the work returned, or raises what
        it raised.
    """
    threads = threads or min(MOST, usable_cores())
    begun: deque[tuple[T, Future[R], int]] = deque()
    taken = 0
    pool = ThreadPoolExecutor(threads, thread_name_prefix="voicemill-work")

    def begin(item: T) -> Future[R]:
        return pool.submit(contextvars.copy_context().run, work, item)

    def first() -> tuple[T, Future[R], int]:
        item, done, cost = begun.popleft()
        if isinstance(done.exception(), MemoryError):
            # Perhaps it was the others that took the memory.
            wait([other for _, other, _ in begun])
            done = begin(item)
            wait([done])
        return item, done, cost

    try:
        for item in items:
            cost = size(item)
            while begun and (len(begun) > threads or taken + cost > IN_MEMORY):
                yield (yielded := first())[:2]
                taken -= yielded[2]
            begun.append((item, begin(item), cost))
            taken += cost
        while begun:
            yield first()[:2]
    finally:
        pool.shutdown(cancel_futures=True)
