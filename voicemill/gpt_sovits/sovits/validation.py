"""How well SoVITS does on clips that it is not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.nn import functional as F

from voicemill.gpt_sovits.features.spectrogram import mel_of_linear, mel_spectrogram
from voicemill.gpt_sovits.sovits import losses
from voicemill.gpt_sovits.sovits.config import SEGMENT_FRAMES
from voicemill.gpt_sovits.sovits.data import Example, collate
from voicemill.gpt_sovits.sovits.layers import cut_segments
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.training.run_state import Precision

SEGMENTS = 3
"""Places of each clip that are spoken and compared."""


@torch.no_grad()
def validation_losses(
    generator: Generator, examples: Iterable[Example], recipe: SovitsRecipe, precision: Precision
) -> dict[str, float]:
    """Mel and KL losses, weighted as in training: without dropout, with the same noise and places each time.

    The adversarial losses are left out: they measure against a discriminator that changes.

    Args:
        generator: In any mode; it is left in eval mode.
        examples: Clips.
        recipe: For the weights.
        precision: Arithmetic, and the device.

    Returns:
        Means over the clips, `mel` and `kl`.
    """
    generator.eval()
    sums, clips = {"mel": 0.0, "kl": 0.0}, 0
    for clips, example in enumerate(examples, 1):
        batch = collate([example] * SEGMENTS).to(precision.device)
        rng = torch.Generator().manual_seed(clips)
        noise_BCT = torch.randn(
            (SEGMENTS, generator.config.inter_channels, batch.spec_BFT.shape[-1]), generator=rng
        ).to(precision.device)
        places_B = torch.rand(SEGMENTS, generator=rng)
        with precision.autocast():
            output = generator(*batch.for_generator(), noise_BCT=noise_BCT, places_B=places_B)
        mel = cut_segments(mel_of_linear(batch.spec_BFT), output.starts_B, SEGMENT_FRAMES)
        made_mel = mel_spectrogram(output.wav_B1L.squeeze(1).float())
        kl = losses.kl_sum(output.z_p_BCT, output.logs_q_BCT, output.m_p_BCT, output.logs_p_BCT, output.mask_B1T)
        sums["mel"] += recipe.mel_weight * float(F.l1_loss(mel, made_mel))
        sums["kl"] += recipe.kl_weight * float(kl / batch.spec_lengths_B.sum())
    return {name: value / clips for name, value in sums.items()}
