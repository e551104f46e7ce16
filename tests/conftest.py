"""What every test module shares."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_half_loaded_modules() -> Iterator[None]:
    """Forget librosa's lazy `samplerate`: hypothesis looks at every module, and this one fails without libsamplerate."""
    sys.modules.pop("samplerate", None)
    yield
