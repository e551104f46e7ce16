"""What every test module shares."""

import sys

import pytest

from tests.buckets import bucket, moto_address, place

__all__ = ["bucket", "moto_address", "no_half_loaded_modules", "place"]


@pytest.fixture(autouse=True, scope="module")
def no_half_loaded_modules() -> None:
    """Forget librosa's lazy `samplerate`, which hypothesis would load with all modules and fails without a library."""
    sys.modules.pop("samplerate", None)
