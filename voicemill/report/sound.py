"""Audio for the page: short, small, and playable by any browser."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 24_000
LONGEST_SECONDS = 12.0


@dataclass(frozen=True)
class Snippet:
    """The beginning of a recording, mono.

    Attributes:
        samples: float32 [n].
        rate: Their rate in Hz.
        seconds: Length of the whole recording, of which the snippet may be a part.
    """

    samples: np.ndarray
    rate: int
    seconds: float

    def data_uri(self) -> str:
        """Return the snippet as MP3 at 24 kHz or below, in an address that needs no server."""
        import soundfile
        import soxr

        rate = min(self.rate, RATE)
        samples = soxr.resample(self.samples, self.rate, rate) if rate != self.rate else self.samples
        file = io.BytesIO()
        soundfile.write(file, np.clip(samples, -1.0, 1.0), rate, format="MP3")
        return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()


def read_snippet(path: Path, start: float = 0.0, seconds: float = LONGEST_SECONDS) -> Snippet:
    """Read a stretch of a WAV file.

    Args:
        path: The file.
        start: Where to begin, in seconds.
        seconds: Longest stretch.
    """
    import soundfile

    with soundfile.SoundFile(path) as file:
        file.seek(min(int(start * file.samplerate), file.frames))
        samples = file.read(int(seconds * file.samplerate), dtype="float32", always_2d=True).mean(axis=1)
        return Snippet(samples, file.samplerate, file.frames / file.samplerate)


def loudest_stretch(path: Path, seconds: float = LONGEST_SECONDS) -> float:
    """Where in a recording the stretch with the most energy begins, in seconds; speech rather than a silent lead-in."""
    import soundfile

    with soundfile.SoundFile(path) as file:
        energies = [float(np.square(block).sum()) for block in file.blocks(file.samplerate, dtype="float32")]
    length = min(int(seconds), len(energies))
    sums = np.convolve(energies, np.ones(length), "valid") if length else np.zeros(1)
    return float(np.argmax(sums))
