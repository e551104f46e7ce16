"""CPU cores, memory and GPUs of this machine, handed to tasks as they ask in Kubernetes' terms.

A task that asks for more than the machine has gets all of it: requests are a cluster's way to place pods, and one
machine is the only place there is. A task that asks for a GPU on a machine without one runs on its CPU slots.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from voicemill.core.errors import UsageError
from voicemill.core.parallel import usable_cores
from voicemill.engine.fields import Json, section

GPU = "nvidia.com/gpu"
_FACTORS = {
    "": 1.0,
    "m": 1e-3,
    **{unit: 10.0 ** (3 * power) for power, unit in enumerate(("k", "M", "G", "T", "P"), start=1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate(("K", "M", "G", "T", "P"), start=1)},
}


@dataclass(frozen=True)
class Request:
    """What a task asks for: cores, bytes, whole GPUs."""

    cpu: float = 0.0
    memory: float = 0.0
    gpus: int = 0


def quantity(text: str | int | float) -> float:
    """Return a Kubernetes quantity as a number: `500m` -> 0.5, `2Gi` -> 2147483648.0.

    Raises:
        UsageError: naming the text that is not a quantity.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(m|[kMGTP]|[KMGTP]i)?", str(text).strip())
    if not match:
        raise UsageError(f"{text!r} is not a quantity such as 2, 500m or 4Gi.")
    return float(match[1]) * _FACTORS[match[2] or ""]


def request_of(container: Json) -> Request:
    """Return what a container asks for; a limit stands in for a request that is not given, as in Kubernetes."""
    resources = section(container, "resources")
    asked = {**section(resources, "limits"), **section(resources, "requests")}
    return Request(
        cpu=quantity(asked.get("cpu", 0)),
        memory=quantity(asked.get("memory", 0)),
        gpus=math.ceil(quantity(asked.get(GPU, 0))),
    )


def machine() -> Request:
    """Return what this machine has: cores this process may use, memory in bytes, NVIDIA GPUs by nvidia-smi."""
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return Request(cpu=float(usable_cores()), memory=memory, gpus=_count_gpus())


def _count_gpus() -> int:
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return listing.stdout.count("GPU ") if listing.returncode == 0 else 0


@dataclass
class _Waiter:
    request: Request
    granted: asyncio.Future[list[int]]


class Slots:
    """Hands out what the machine has, first come first served.

    One who does not fit yet keeps what it waits for from those behind it, so that a big task is never overtaken for
    ever; those that fit beside it go on.
    """

    def __init__(self, total: Request) -> None:
        self.total = total
        self._cpu, self._memory = total.cpu, total.memory
        self._gpus = list(range(total.gpus))
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def take(self, request: Request) -> AsyncGenerator[list[int], None]:
        """Wait for a place and hold it; gives the indexes of the GPUs that are the task's own."""
        request = Request(
            min(request.cpu, self.total.cpu), min(request.memory, self.total.memory), min(request.gpus, self.total.gpus)
        )
        waiter = _Waiter(request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._grant()
        try:
            gpus = await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.granted.cancelled():
                self._give_back(request, waiter.granted.result())
            self._grant()
            raise
        try:
            yield gpus
        finally:
            self._give_back(request, gpus)
            self._grant()

    def _give_back(self, request: Request, gpus: list[int]) -> None:
        self._cpu += request.cpu
        self._memory += request.memory
        self._gpus = sorted(self._gpus + gpus)

    def _grant(self) -> None:
        cpu, memory, gpus = self._cpu, self._memory, len(self._gpus)
        for waiter in list(self._waiting):
            request = waiter.request
            wanted = ((request.cpu, cpu), (request.memory, memory), (request.gpus, gpus))
            cpu, memory, gpus = cpu - request.cpu, memory - request.memory, gpus - request.gpus
            # A whisker of tolerance: sums of fractions of cores are not exact.
            if all(need == 0 or need <= have + 1e-9 for need, have in wanted):
                self._waiting.remove(waiter)
                own, self._gpus = self._gpus[: request.gpus], self._gpus[request.gpus :]
                self._cpu, self._memory = self._cpu - request.cpu, self._memory - request.memory
                waiter.granted.set_result(own)
