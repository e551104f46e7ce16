"""Spectrograms as SoVITS knows them.

Shapes: B batch, T samples or frames, F frequency bins, M mel bands.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLE_RATE = 32000
"""Rate of all audio that SoVITS reads and writes."""
N_FFT = 2048
HOP = 640
"""Samples a frame: 50 frames a second."""
MEL_BANDS = 128


@functools.lru_cache(maxsize=8)
def _window(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.hann_window(length, dtype=dtype, device=device)


@functools.lru_cache(maxsize=8)
def _mel_filters(
    n_fft: int, bands: int, rate: int, lowest: float, highest: float | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    from librosa.filters import mel

    return torch.from_numpy(mel(sr=rate, n_fft=n_fft, n_mels=bands, fmin=lowest, fmax=highest)).to(device, dtype)


def mirrored(x_BCT: Tensor, left: int, right: int) -> Tensor:
    """Return the signal with so many of its samples mirrored at either end."""
    if not torch.are_deterministic_algorithms_enabled():
        return F.pad(x_BCT, (left, right), "reflect")
    # On a GPU the padding's gradient adds in any order; that of pieces put side by side does not.
    before, after = x_BCT[..., 1 : left + 1].flip(-1), x_BCT[..., -1 - right : -1].flip(-1)
    return torch.cat([before, x_BCT, after], dim=-1)


def linear_spectrogram(wav_BT: Tensor, n_fft: int = N_FFT, hop: int = HOP, window: int | None = None) -> Tensor:
    """Magnitudes `[B, n_fft // 2 + 1, T // hop]`.

    The ends are mirrored by `(n_fft - hop) / 2` samples, so that a frame is centred on its hop and there are exactly
    `T // hop` of them.
    """
    window = window or n_fft
    margin = (n_fft - hop) // 2
    wav_BT = mirrored(wav_BT.unsqueeze(1), margin, margin).squeeze(1)
    spectrum = torch.stft(
        wav_BT,
        n_fft,
        hop_length=hop,
        win_length=window,
        window=_window(window, wav_BT.dtype, wav_BT.device),
        center=False,
        return_complex=True,
    )
    # The small constant keeps the gradient finite in silence.
    return torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-8)


def mel_of_linear(
    spec_BFT: Tensor, bands: int = MEL_BANDS, rate: int = SAMPLE_RATE, lowest: float = 0.0, highest: float | None = None
) -> Tensor:
    """Log mel spectrogram `[B, M, T]` of magnitudes: Slaney's scale and norm, natural log, floor 1e-5."""
    n_fft = 2 * (spec_BFT.shape[1] - 1)
    filters_MF = _mel_filters(n_fft, bands, rate, lowest, highest, spec_BFT.dtype, spec_BFT.device)
    return torch.log(torch.clamp(filters_MF @ spec_BFT, min=1e-5))


def mel_spectrogram(
    wav_BT: Tensor,
    n_fft: int = N_FFT,
    hop: int = HOP,
    bands: int = MEL_BANDS,
    rate: int = SAMPLE_RATE,
    lowest: float = 0.0,
    highest: float | None = None,
) -> Tensor:
    """Log mel spectrogram `[B, M, T // hop]` of a waveform."""
    return mel_of_linear(linear_spectrogram(wav_BT, n_fft, hop), bands, rate, lowest, highest)
