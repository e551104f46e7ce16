"""CPU, memory and GPU slots: what runs side by side, and in which order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, node, run, write
from voicemill.core.errors import UsageError
from voicemill.engine.slots import Request, Slots, quantity, request_of

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("500m", 0.5), ("4Gi", 4 * GIB), ("1.5G", 1.5e9), (3, 3), ("64Mi", 64 * 2**20)]
)
def test_quantity_is_read_as_kubernetes_reads_it(text: str | int, number: float) -> None:
    assert quantity(text) == number


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(UsageError, match="4 Gigs"):
        quantity("4 Gigs")


def test_limit_stands_in_for_a_request() -> None:
    resources = {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": 1}}
    assert request_of({"resources": resources}) == Request(0.5, GIB, 1)


def order(slots: Slots, *requests: Request, seconds: float = 0.05) -> list[tuple[int, list[int]]]:
    """In which order requests made at the same time get their turn, with the GPUs of each."""
    granted: list[tuple[int, list[int]]] = []

    async def one(number: int, request: Request) -> None:
        async with slots.take(request) as gpus:
            granted.append((number, gpus))
            await asyncio.sleep(seconds * (3 if number == 0 else 1))

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number, request) for number, request in enumerate(requests)))

    asyncio.run(all_of_them())
    return granted


def test_big_request_is_not_overtaken_by_what_would_delay_it() -> None:
    slots = Slots(Request(4, 8 * GIB, 0))
    granted = order(slots, Request(3), Request(4), Request(1), Request(1))
    assert [number for number, _ in granted] == [0, 1, 2, 3]


def test_request_that_competes_for_nothing_goes_ahead() -> None:
    slots = Slots(Request(4, 8 * GIB, 1))
    granted = order(slots, Request(1, gpus=1), Request(1, gpus=1), Request(1))
    assert [number for number, _ in granted] == [0, 2, 1]


def test_each_task_gets_gpus_of_its_own() -> None:
    slots = Slots(Request(4, 8 * GIB, 3))
    granted = order(slots, Request(gpus=2), Request(gpus=1), Request(gpus=1))
    assert [gpus for _, gpus in granted] == [[0, 1], [2], [2]]


def test_request_beyond_the_machine_gets_all_of_it() -> None:
    slots = Slots(Request(2, GIB, 0))
    assert order(slots, Request(64, 512 * GIB, 8), Request(1)) == [(0, []), (1, [])]


def side_by_side(tmp_path: Path, slots: Request, resources: dict[str, Any], **main: Any) -> int:
    """How many of four tasks with these resources ran at once."""
    tasks = [{"name": f"t{number}", "template": "busy"} for number in range(4)]
    busy = {
        "name": "busy",
        **main.pop("busy", {}),
        "container": {**POD, "args": ["import time; time.sleep(0.4)"], "resources": resources},
    }
    spec = main.pop("spec", {})
    path = write(tmp_path / "w.yaml", {"name": "main", **main, "dag": {"tasks": tasks}}, busy, **spec)
    result = run(path, tmp_path / "run", slots=slots)
    spans = [(node(result, task["name"]).started, node(result, task["name"]).finished) for task in tasks]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def test_tasks_run_side_by_side_as_far_as_their_cpu_requests_go(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, GIB, 0), {"requests": {"cpu": "2"}}) == 2


def test_tasks_run_side_by_side_as_far_as_their_memory_requests_go(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, 3 * GIB, 0), {"limits": {"memory": "1Gi"}}) == 3


def test_gpu_request_without_a_gpu_runs_on_cpu_slots(tmp_path: Path) -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"nvidia.com/gpu": 1}}
    assert side_by_side(tmp_path, Request(4, GIB, 0), resources) == 4


def test_gpu_request_waits_for_a_gpu(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, GIB, 1), {"limits": {"nvidia.com/gpu": 1}}) == 1


def test_parallelism_of_the_workflow_bounds_its_pods(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, GIB, 0), {}, spec={"parallelism": 2}) == 2


def test_parallelism_of_a_template_bounds_its_tasks(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, GIB, 0), {}, parallelism=3) == 3


def test_mutex_lets_one_run_at_a_time(tmp_path: Path) -> None:
    assert side_by_side(tmp_path, Request(4, GIB, 0), {}, busy={"synchronization": {"mutex": {"name": "m"}}}) == 1
