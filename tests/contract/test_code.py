"""The code version of a stage, asked for by several threads at once, as the engine does for several speakers."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from voicemill.contract import code

MODULES = [
    "voicemill.stages.slice",
    "voicemill.stages.format",
    "voicemill.stages.train_gpt",
    "voicemill.stages.evaluate",
]


@pytest.fixture
def switching() -> Iterator[None]:
    """Other threads get their turn also in the middle of what is otherwise one step, whenever garbage is collected."""

    def others_first(*_: object) -> None:
        time.sleep(0)

    thresholds = gc.get_threshold()
    gc.callbacks.append(others_first)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(others_first)


@pytest.mark.usefixtures("switching")
def test_threads_that_ask_at_the_same_time_are_told_the_same() -> None:
    expected = [code.code_version(module) for module in MODULES]
    code._imports.cache_clear()
    with ThreadPoolExecutor(len(MODULES)) as pool:
        assert list(pool.map(code.code_version, MODULES)) == expected
