"""Work on several items at once."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from voicemill.core import parallel
from voicemill.core.parallel import ahead


def test_results_come_in_the_order_of_the_items():
    last = threading.Event()

    def work(item: int) -> int:
        # The first waits for the last, which is only begun if they are at work together.
        assert last.wait(30) if item == 0 else True
        if item == 2:
            last.set()
        return item * item

    taken = [(item, done.result()) for item, done in ahead(work, range(5), size=lambda _: 1, threads=3)]
    assert taken == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]


def test_an_error_belongs_to_its_item():
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    outcomes = [done.exception() or done.result() for _, done in ahead(work, range(3), size=lambda _: 1)]
    assert outcomes[0] == 0 and str(outcomes[1]) == "one" and outcomes[2] == 2


def test_large_items_are_worked_on_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "IN_MEMORY", 10)
    lock, at_work, most = threading.Lock(), set[int](), list[set[int]]()

    def work(item: int) -> None:
        with lock:
            at_work.add(item)
            most.append(set(at_work))
        threading.Event().wait(0.01)
        with lock:
            at_work.remove(item)

    for _, done in ahead(work, range(8), size=lambda item: 100 if item % 4 == 1 else 1, threads=3):
        done.result()
    assert all(len(each) == 1 for each in most if each & {1, 5})


def test_work_that_ran_out_of_memory_is_done_again_alone():
    lock, at_work = threading.Lock(), list[int]()

    def work(item: int) -> int:
        with lock:
            at_work.append(item)
            first = at_work.count(0) == 1
        if item == 0 and first:
            raise MemoryError
        return item

    found = [done.result() for _, done in ahead(work, range(3), size=lambda _: 1, threads=2)]
    assert found == [0, 1, 2]
    assert at_work.count(0) == 2


def test_what_fails_twice_for_want_of_memory_says_so():
    def work(_: int) -> None:
        raise MemoryError("too large")

    ((_, done),) = ahead(work, [0], size=lambda _: 1)
    with pytest.raises(MemoryError, match="too large"):
        done.result()


def test_work_sees_the_callers_context():
    stage: ContextVar[str] = ContextVar("stage")
    stage.set("slice")
    assert [done.result() for _, done in ahead(lambda _: stage.get(), range(2), size=lambda _: 1)] == ["slice"] * 2
