"""SoVITS v3 and v4: tokens and text to features, features to a mel spectrogram by flow matching.

    tokens, text, speaker -> prior encoder -> bridge -> stretched to mel frames -> wns1 -> features
    features, prompt's mel, noise -> diffusion transformer, step by step -> mel -> vocoder (another model) -> wave

Attribute names are those of the reference's checkpoints. `linear_mel` is in them and is used by nobody.

Shapes: B batch, C channels, T frames, P phonemes, G speaker embedding, M mel bands.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.features.spectrogram import mel_spectrogram
from voicemill.gpt_sovits.flow_matching.dit import BANDS, Dit, DitSizes
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.encoders import PriorEncoder
from voicemill.gpt_sovits.sovits.layers import WaveNet, fold_weight_norm, length_mask, named
from voicemill.gpt_sovits.sovits.model import Lengths, Tokenizing
from voicemill.gpt_sovits.sovits.reference_encoder import ReferenceEncoder
from voicemill.gpt_sovits.versions import MelSpec

QUIETEST, LOUDEST = -12.0, 2.0
"""Logarithms that become -1 and 1."""


class FeatureEncoder(nn.Module):
    """A WaveNet over features."""

    def __init__(self, channels: int, layers: int, gin_channels: int):
        super().__init__()
        self.pre = nn.Conv1d(channels, channels, 1)
        self.enc = WaveNet(channels, 5, layers, gin_channels)
        self.proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        return self.proj(self.enc(self.pre(x_BCT) * mask_B1T, mask_B1T, g_BG1)) * mask_B1T


class MelGenerator(Tokenizing):
    """SoVITS v3 and v4."""

    def __init__(self, config: SovitsConfig, sizes: DitSizes):
        super().__init__()
        assert config.spec.mel is not None, f"{config.version} draws no mel"
        self.config, self.sizes, self.mel = config, sizes, config.spec.mel
        self.enc_p = PriorEncoder(config)
        self.ref_enc = ReferenceEncoder(config.reference_bins, config.gin_channels)
        self.add_quantizer()
        self.bridge = nn.Sequential(nn.Conv1d(config.inter_channels, sizes.features, 1), nn.LeakyReLU())
        self.wns1 = FeatureEncoder(sizes.features, sizes.feature_layers, config.gin_channels)
        self.linear_mel = nn.Conv1d(sizes.features, BANDS, 1)
        self.cfm = named(estimator=Dit(sizes))
        self.dec: nn.Module | None = None
        """What speaks the mel frames; a model of its own, which is in no checkpoint of this one."""

    @property
    def estimator(self) -> Dit:
        return cast(Dit, self.cfm.estimator)

    def train(self, mode: bool = True) -> MelGenerator:
        super().train(mode)
        # As the reference trains it: these only read.
        for part in (self.ssl_proj, self.quantizer, self.enc_p):
            part.eval()
        return self

    def for_inference(self) -> MelGenerator:
        """Fold weight norm; the model cannot be trained or saved afterwards."""
        fold_weight_norm(self)
        return self.eval().requires_grad_(False)

    def speaker(self, spec_BFT: Tensor, mask_B1T: Tensor | None = None) -> Tensor:
        """Speaker embedding `[B, G, 1]` of reference spectrograms."""
        mask_B1T = torch.ones_like(spec_BFT[:, :1]) if mask_B1T is None else mask_B1T
        return self.ref_enc(spec_BFT[:, : self.config.reference_bins] * mask_B1T, mask_B1T)

    def frames(self, tokens: int, speed: float = 1.0) -> int:
        """Return how many mel frames so many tokens become."""
        encoded = tokens * self.token_frames
        encoded = encoded if speed == 1 else int(encoded / speed) + 1
        return int(encoded * self.mel.stretch)

    def stretched(self, hidden_BCT: Tensor, frames_B: Tensor, g_BG1: Tensor) -> Tensor:
        """Return what the prior encoder has made as features for each mel frame, 0 after each item's end."""
        x_BCT = F.interpolate(self.bridge(hidden_BCT), scale_factor=self.mel.stretch, mode="nearest")
        return self.wns1(x_BCT, length_mask(frames_B, x_BCT.shape[-1], x_BCT.dtype), g_BG1.detach())

    @torch.no_grad()
    def features(
        self, codes_B1T: Tensor, phones_BP: Tensor, g_BG1: Tensor, speed: float = 1.0, lengths: Lengths | None = None
    ) -> Tensor:
        """Return features `[B, C, T]` of what is said.

        Args:
            codes_B1T: Tokens, 25 a second.
            phones_BP: Phonemes of what they say.
            g_BG1: From `speaker`.
            speed: 2 is twice as fast.
            lengths: Of items that are padded, each of which then gets the features that it gets alone; at a speed of 1
                only.
        """
        assert lengths is None or speed == 1, "stretching depends on the length of an item"
        hidden_BCT, _ = self.enc_p.hidden(*self.content(codes_B1T, phones_BP, lengths), g_BG1, speed)
        if lengths is None:
            # The reference counts so, and at some speeds silences the last frame by it.
            counted = codes_B1T.shape[-1] * self.token_frames * self.mel.counted_stretch
            frames = int(counted) if speed == 1 else int(counted / speed) + 1
            frames_B = torch.full((len(codes_B1T),), frames, device=codes_B1T.device)
        else:
            frames_B = (lengths.tokens_B * self.token_frames * self.mel.stretch).long()
        return self.stretched(hidden_BCT, frames_B, g_BG1)


def normalized(log_mel: Tensor) -> Tensor:
    """Return logarithms of a mel spectrogram as the transformer knows them, about -1 to 1."""
    return (log_mel - QUIETEST) / (LOUDEST - QUIETEST) * 2 - 1


def denormalized(mel: Tensor) -> Tensor:
    """Return the logarithms that a vocoder takes."""
    return (mel + 1) / 2 * (LOUDEST - QUIETEST) + QUIETEST


def mel_of(wav_BT: Tensor, mel: MelSpec) -> Tensor:
    """Normalized mel `[B, M, T]` of audio at the version's rate."""
    return normalized(mel_spectrogram(wav_BT, mel.n_fft, mel.hop, BANDS, mel.rate))
