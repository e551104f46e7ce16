"""Change the sampling rate."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def resample(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Resample by soxr at its HQ setting, as `librosa.resample` does by default.

    Args:
        samples: float32 `[n]` or `[channels, n]`.
        rate: Their rate in Hz.
        to: The rate wanted in Hz.

    Returns:
        float32 `[ceil(n * to / rate)]` (with the channels in front), a copy only where the rates differ.
    """
    if rate == to:
        return samples
    import soxr

    length = -(-samples.shape[-1] * to // rate)
    resampled = soxr.resample(samples.T, rate, to, quality="HQ").T[..., :length]
    missing = length - resampled.shape[-1]
    if missing:
        resampled = np.pad(resampled, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])
    return np.ascontiguousarray(resampled, dtype=np.float32)


def resample_sinc(samples: "torch.Tensor", rate: int, to: int) -> "torch.Tensor":
    """Resample by torchaudio's windowed sinc (width 6, roll-off 0.99, Hann), which public speaker embeddings expect.

    Args:
        samples: float32 `[..., n]`.
        rate: Their rate in Hz.
        to: The rate wanted in Hz.

    Returns:
        float32 `[..., ceil(n * to / rate)]`.
    """
    import torchaudio.functional

    return torchaudio.functional.resample(samples, rate, to)
