"""Bring recordings to a common level."""

import numpy as np

# Below this peak a signal is what separation leaves where nobody spoke; raised, it would be noise at full level.
SILENT_DBFS = -60.0


def decibels(amplitude: float) -> float:
    """Amplitude in dBFS; minus infinity for 0."""
    return float(20 * np.log10(amplitude)) if amplitude > 0 else -float("inf")


def peak_dbfs(samples: np.ndarray) -> float:
    """Peak level.

    Args:
        samples: float32, any shape.

    Returns:
        dBFS; minus infinity for silence.
    """
    return decibels(float(np.abs(samples).max(initial=0)))


def to_peak(samples: np.ndarray, target_dbfs: float = -7.5) -> tuple[np.ndarray, float]:
    """Take out the DC offset and apply the gain that brings the peak to a level.

    Args:
        samples: float32 `[n]`; may exceed full scale.
        target_dbfs: Peak wanted, at most 0.

    Returns:
        float32 `[n]` and the gain in dB. What peaks below -60 dBFS comes back as it is, with a gain of 0.
    """
    if not samples.size:
        return samples, 0.0
    centred = samples - np.float32(samples.mean(dtype=np.float64))
    peak = peak_dbfs(centred)
    if peak < SILENT_DBFS:
        return samples, 0.0
    gain = target_dbfs - peak
    centred *= np.float32(10 ** (gain / 20))
    return centred, gain
