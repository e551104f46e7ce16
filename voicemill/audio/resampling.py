"""Change the sampling rate: one function for each resampler that the reference uses somewhere."""

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

FRAME = 1 << 20


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


def resample_ffmpeg(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Mix down and resample as the ffmpeg command does, by which GPT-SoVITS's slicer and preparation read files.

    Args:
        samples: float32 `[n]` or `[channels, n]`.
        rate: Their rate in Hz.
        to: The rate wanted in Hz.

    Returns:
        float32 `[about n * to / rate]`. Of two channels the sum times 0.7071: 3 dB above their mean.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[0]
    if rate == to and channels == 1:
        return samples.reshape(-1)
    import av

    planes = np.ascontiguousarray(samples.reshape(channels, -1), dtype=np.float32)
    layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")
    converter = av.AudioResampler(format="fltp", layout="mono", rate=to)
    parts = []
    for first in range(0, planes.shape[1], FRAME):
        frame = av.AudioFrame.from_ndarray(planes[:, first : first + FRAME], format="fltp", layout=layout)
        frame.sample_rate = rate
        parts += converter.resample(frame)
    parts += converter.resample(None) if parts or planes.size else []
    return np.concatenate([part.to_ndarray()[0] for part in parts] or [np.zeros(0, np.float32)])


@functools.cache
def _sinc(rate: int, to: int) -> "torch.nn.Module":
    import torchaudio

    return torchaudio.transforms.Resample(rate, to)


def resample_sinc(samples: "torch.Tensor", rate: int, to: int) -> "torch.Tensor":
    """Resample by torchaudio's windowed sinc at its defaults, as GPT-SoVITS does with reference audio.

    Args:
        samples: float32 `[..., n]`, on any device.
        rate: Their rate in Hz.
        to: The rate wanted in Hz.

    Returns:
        float32 `[..., ceil(n * to / rate)]`.
    """
    return samples if rate == to else _sinc(rate, to).to(samples.device)(samples)
