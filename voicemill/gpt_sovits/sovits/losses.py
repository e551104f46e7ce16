"""Losses of SoVITS training: least-squares GAN, feature matching, mel and KL (VITS, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.features.spectrogram import HOP, MEL_BANDS, N_FFT, SAMPLE_RATE, mel_spectrogram
from voicemill.gpt_sovits.sovits.discriminator import Judgement

if TYPE_CHECKING:
    from transformers import HubertModel


def discriminator_losses(real: list[Judgement], fake: list[Judgement]) -> list[Tensor]:
    """For each discriminator, how far real waves score from 1 and generated ones from 0; real ones first."""
    return [*(((1 - s.float()) ** 2).mean() for s, _ in real), *((s.float() ** 2).mean() for s, _ in fake)]


def adversarial_losses(fake: list[Judgement]) -> list[Tensor]:
    """For each discriminator, how far generated waves score from 1."""
    return [((1 - s.float()) ** 2).mean() for s, _ in fake]


def feature_loss(real: list[Judgement], fake: list[Judgement]) -> Tensor:
    """Twice the summed L1 distances between the features of real and generated waves."""
    distances = [
        (r.float().detach() - f.float()).abs().mean()
        for (_, of_real), (_, of_fake) in zip(real, fake, strict=True)
        for r, f in zip(of_real, of_fake, strict=True)
    ]
    return 2 * torch.stack(distances).sum()


def finer_mel_losses(real_B1L: Tensor, made_B1L: Tensor, scales: int) -> list[Tensor]:
    """L1 distances of log mel spectrograms whose windows, hops and bands are halved so many times (as in Kumar et al.
    2023, "High-Fidelity Audio Compression with Improved RVQGAN", section 3.4).
    """
    found = []
    for finer in range(1, scales + 1):
        sizes = N_FFT >> finer, HOP >> finer, MEL_BANDS >> finer
        real_BMT, made_BMT = (mel_spectrogram(wav_B1L.squeeze(1), *sizes) for wav_B1L in (real_B1L, made_B1L))
        found.append(F.l1_loss(real_BMT, made_BMT))
    return found


def content_losses(encoder: HubertModel, real_B1L: Tensor, made: Sequence[Tensor]) -> list[Tensor]:
    """For each of the made waves, the L1 distance of what a content encoder hears in it from what it hears in the real.

    As recognisers judge synthesizers in training (e.g. Liu et al. 2018, "Improving Unsupervised Style Transfer in
    End-to-End Speech Synthesis with End-to-End Speech Recognition").
    """
    with torch.no_grad():
        real_BTC = hubert.batch_features(encoder, real_B1L.squeeze(1), SAMPLE_RATE).float()
    features = hubert.batch_features(encoder, torch.cat(list(made)).squeeze(1), SAMPLE_RATE).float()
    return [F.l1_loss(made_BTC, real_BTC) for made_BTC in features.chunk(len(made))]


def kl_sum(z_p_BCT: Tensor, logs_q_BCT: Tensor, m_p_BCT: Tensor, logs_p_BCT: Tensor, mask_B1T: Tensor) -> Tensor:
    """KL divergence of posterior and prior at the sample z_p, summed over channels and the frames that the mask admits.

    The loss is this divided by the number of frames, which the caller knows for the whole batch.
    """
    z_p, logs_q, m_p, logs_p = (x.float() for x in (z_p_BCT, logs_q_BCT, m_p_BCT, logs_p_BCT))
    kl_BCT = logs_p - logs_q - 0.5 + 0.5 * (z_p - m_p) ** 2 * torch.exp(-2 * logs_p)
    return (kl_BCT * mask_B1T.float()).sum()
