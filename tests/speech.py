"""Real speech for tests: the demo speaker's recordings, or others where the shared material is."""

from functools import cache
from pathlib import Path

import numpy as np

from tests.shared import SHARED
from voicemill.audio.reading import read_mono

DEMO_SPEAKER = Path(__file__).parents[1] / "examples" / "demo_speaker"


@cache
def _longest() -> np.ndarray:
    folder = SHARED / "data" / "en_lj" if SHARED else DEMO_SPEAKER
    recordings = [path for path in folder.iterdir() if path.suffix in (".flac", ".wav", ".ogg", ".mp3", ".opus")]
    assert recordings, f"no recordings in {folder}"
    # Decoders begin with zeros, of which short pieces would be silent.
    return np.trim_zeros(read_mono(max(recordings, key=lambda path: path.stat().st_size), 16_000), "f")


def speech(seconds: float, skip: float = 0.0) -> np.ndarray:
    """float32 `[n]` at 16 kHz, peak 0.5; `skip` seconds further on it is another piece."""
    piece = np.resize(np.roll(_longest(), -int(skip * 16_000)), int(seconds * 16_000))
    return (piece * (0.5 / np.abs(piece).max())).astype(np.float32)
