"""Is there music or noise behind a voice: measured before anything is separated.

Speech pauses, between phrases and within words; what sounds behind it does not. So a recording is cut into pieces of
ten seconds, and of each is taken the level that only 5 % of its frames lie below, compared with the level of the
recording's loud speech. The piece with the loudest background decides: a jingle at the start counts as music under all
of it. Where the pauses tell nothing, because the music pauses too, DNSMOS's opinion of the background may.

The thresholds come from benchmarks/separation_gate.py, which prints the confusion table. Separating what is clean costs
time; not separating music costs the voice: the threshold lies on the side of clean recordings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicemill.audio import quality
from voicemill.audio.reading import to_mono
from voicemill.audio.resampling import resample

RATE = 16_000
LOUDEST_CLEAN_DB = -34.0
"""Clean recordings of 20 s lie at -35 dB and below; with music or noise 20 dB below the speech at -33 to -24."""
SILENT_DB = -120.0

_WINDOW, _HOP = 512, 320
_LOWEST_BIN = 3
"""Below 90 Hz there is hum and rumble, and no voice."""
_PIECE_FRAMES = 10 * RATE // _HOP
_QUIET_PERCENT, _LOUD_PERCENT = 5, 95
_BLOCK_FRAMES = 3000


@dataclass(frozen=True)
class Background:
    """What was measured of a recording.

    Attributes:
        level_db: The background's level relative to loud speech, in the piece where it is loudest, in dB.
        quality: What DNSMOS and the decay say; None where the level decides alone.
    """

    level_db: float
    quality: quality.Quality | None

    @property
    def needs_separation(self) -> bool:
        return self.quality is None or self.quality.noisy

    @property
    def reason(self) -> str:
        """Why it is to be separated, or why not, in a few words."""
        if self.quality is None:
            return f"something sounds in the pauses, {-self.level_db:.0f} dB below the speech"
        if self.quality.noisy:
            return f"DNSMOS rates the background {self.quality.bak:.1f} of 5"
        return f"the pauses are quiet, {-self.level_db:.0f} dB below the speech"


def measure(samples: np.ndarray, rate: int) -> Background:
    """Measure what is behind the voice.

    Args:
        samples: float32 `[n]` or `[channels, n]`, at least one sample.
        rate: Their rate in Hz.
    """
    level = round(level_db(np.atleast_2d(samples), rate), 1)
    if level > LOUDEST_CLEAN_DB:
        return Background(level, None)
    return Background(level, quality.measure(to_mono(np.atleast_2d(samples))[0], rate))


def level_db(samples: np.ndarray, rate: int) -> float:
    """Return the level of the background relative to loud speech, in dB, in the piece where it is loudest.

    Args:
        samples: float32 `[channels, n]`; the channels' powers are added, so that nothing cancels out.
        rate: Their rate in Hz.

    Returns:
        `SILENT_DB` for a silent recording.
    """
    if not samples.any():
        return SILENT_DB
    power = np.sum([_frame_powers(resample(channel, rate, RATE)) for channel in samples], axis=0)
    levels = 10 * np.log10(power + power.max() * 10 ** (SILENT_DB / 10))
    pieces = np.array_split(levels, max(1, round(len(levels) / _PIECE_FRAMES)))
    loud = np.percentile(levels, _LOUD_PERCENT)
    return float(max(np.percentile(piece, _QUIET_PERCENT) for piece in pieces) - loud)


def _frame_powers(samples: np.ndarray) -> np.ndarray:
    """Power above 90 Hz of frames of 32 ms, every 20 ms, of samples at 16 kHz."""
    padded = np.pad(samples, (0, max(0, _WINDOW - len(samples)))).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW).astype(np.float32)
    blocks = [frames[start : start + _BLOCK_FRAMES] for start in range(0, len(frames), _BLOCK_FRAMES)]
    return np.concatenate(
        [np.square(np.abs(np.fft.rfft(block * window, axis=1)))[:, _LOWEST_BIN:].sum(1) for block in blocks]
    )
