"""What every test module shares."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.buckets import bucket, moto_address, place

__all__ = [
    "bucket",
    "memory_is_given_back",
    "models_of_a_module_are_freed",
    "moto_address",
    "no_half_loaded_modules",
    "place",
]

# Tests start processes by the hundred: none of them is to compile torch anew, or to take more than a core.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")

FIRST = (
    "workflows/test_clone_voice.py",
    "workflows/test_build_voice.py",
    "workflows/test_synthesize_bulk.py",
    "parity/test_golden.py",
    "stages/",
    "proofread/test_killed.py",
    "cluster/",
)
"""The longest files, begun first: a worker that begins one of them last would end minutes after the other."""

MANY_BYTES = 2**30
"""Memory of a process of tests from which it is looked for what can be freed."""
STEP_BYTES = 2**29
"""By how much it may grow within a module before that is done again."""

_floor = MANY_BYTES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files before the others, which stay in their order."""
    here = f"{Path(__file__).parent}/"

    def rank(item: pytest.Item) -> int:
        name = str(item.path).removeprefix(here)
        return next((place for place, first in enumerate(FIRST) if name.startswith(first)), len(FIRST))

    items.sort(key=rank)


@pytest.fixture(autouse=True, scope="module")
def no_half_loaded_modules() -> None:
    """Forget librosa's lazy `samplerate`, which hypothesis would load with all modules and fails without a library."""
    sys.modules.pop("samplerate", None)


@pytest.fixture(autouse=True, scope="module")
def models_of_a_module_are_freed() -> Iterator[None]:
    """Free what a module's fixtures held: this one is set up before them, and ends after them."""
    yield
    if resident_bytes() > MANY_BYTES:
        give_memory_back()


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """Free what a test's models took: a process that has trained keeps freed memory for itself (`kernels.cpu`)."""
    yield
    if resident_bytes() > _floor + STEP_BYTES:
        give_memory_back()


def give_memory_back() -> None:
    """Collect objects that nothing holds, and return free memory to the system."""
    global _floor
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    _floor = max(MANY_BYTES, resident_bytes())


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0
