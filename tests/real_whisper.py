"""A real Whisper for the tests that are marked `whisper`: its weights, and a models folder that holds them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.shared import SHARED
from voicemill.models.layout import place

_SCRIPT = SHARED / "models" / "whisper-base.sh" if SHARED else None
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "voicemill-tests" / "whisper-base"


@cache
def _weights() -> Path | str:
    """Return the folder of the weights, or the sentence that says what is missing."""
    given = os.environ.get("VOICEMILL_WHISPER")
    if given:
        has_model = (Path(given) / "model.bin").is_file()
        return Path(given) if has_model else f"VOICEMILL_WHISPER={given} has no model.bin: no real Whisper to test with"
    if _SCRIPT is None or not _SCRIPT.is_file():
        return "no real Whisper: set VOICEMILL_WHISPER to a folder with a multilingual Whisper in CTranslate2's format"
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    # One of the test processes makes it; the script leaves a folder alone that is whole.
    with (_CACHE.parent / "whisper-base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            [str(_SCRIPT), str(_CACHE)], capture_output=True, text=True, env=os.environ | {"PYTHON": sys.executable}
        )
    if made.returncode:
        last = (made.stderr.strip().splitlines() or ["no message"])[-1]
        return f"no real Whisper: {_SCRIPT.name} failed ({last}); set VOICEMILL_WHISPER to a folder with one"
    return _CACHE


@pytest.fixture(scope="session")
def whisper_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a real, multilingual Whisper and nothing else."""
    weights = _weights()
    if isinstance(weights, str):
        pytest.skip(weights)
    models = tmp_path_factory.mktemp("whisper-models")
    (models / place("whisper")).symlink_to(weights.resolve())
    return models


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of speech samples with transcripts, beside the repository."""
    if SHARED is None:
        pytest.skip("no speech samples with transcripts: set VOICEMILL_SHARED to the folder of the shared material")
    return SHARED / "data"
