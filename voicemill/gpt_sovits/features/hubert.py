"""HuBERT: the content of speech as 50 vectors a second.

Shapes: B batch, T frames, C = 768 channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from voicemill.audio.resampling import resample_sinc

if TYPE_CHECKING:
    from transformers import HubertModel

RATE = 16_000
HOP = 320


def load(folder: Path, device: str | torch.device = "cpu") -> HubertModel:
    """Load a HuBERT in transformers' folder form, for inference in float32.

    Raises:
        InputError: The folder does not hold one.
    """
    from transformers import HubertModel

    from voicemill.gpt_sovits.features.pretrained import loading

    with loading(folder):
        model = HubertModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return model.to(device).eval()  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def features(model: HubertModel, wav16k: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return content vectors of one waveform.

    The waveform goes in as it is: the mean and variance normalisation that transformers' feature extractor would do is
    left out, as public SoVITS weights were trained without it.

    Args:
        model: From `load`.
        wav16k: float32 `[n]` at 16 kHz.

    Returns:
        float32 `[1, C, T]` on the CPU, about 50 frames a second.
    """
    samples = torch.as_tensor(wav16k, dtype=model.dtype, device=model.device)
    hidden_1TC = model(samples[None]).last_hidden_state

    return hidden_1TC.transpose(1, 2).float().cpu().contiguous()


def batch_features(model: HubertModel, wav_BL: torch.Tensor, rate: int) -> torch.Tensor:
    """Return content vectors `[B, T, C]` of waveforms, differentiably; see `features`.

    Args:
        rate: Of the waveforms, in Hz.
    """
    return model(resample_sinc(wav_BL, rate, RATE)).last_hidden_state
