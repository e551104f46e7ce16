"""HiFi-GAN: latent frames to a waveform (Kong et al., 2020)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.layers import NormedConv1d, NormedConvTranspose1d, channels_together, length_mask

SLOPE = 0.1
NARROW = 256
"""Channels before upsampling up to which a CPU is faster when they lie together; the published width is 512."""


def active(x_BCT: Tensor, mask_B1T: Tensor | None, slope: float = SLOPE) -> Tensor:
    """What a convolution takes: leaky ReLU, and silence after the end of an item where some are shorter than others."""
    x_BCT = F.leaky_relu(x_BCT, slope)
    return x_BCT if mask_B1T is None else x_BCT * mask_B1T


def gain_together(x_BCT: Tensor) -> bool:
    """Return whether convolutions of so many channels are faster where channels lie together in memory."""
    return x_BCT.device.type == "cpu" and x_BCT.shape[1] <= NARROW


class ResidualBlock(nn.Module):
    """Pairs of a dilated and an undilated convolution, each pair with a residual connection."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]):
        super().__init__()

        def convolution(dilation: int) -> NormedConv1d:
            padding = (kernel_size - 1) * dilation // 2
            return NormedConv1d(channels, channels, kernel_size, dilation=dilation, padding=padding)

        self.convs1 = nn.ModuleList(convolution(dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(convolution(1) for _ in dilations)

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor | None = None) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x_BCT = x_BCT + plain(active(dilated(active(x_BCT, mask_B1T)), mask_B1T))
        return x_BCT


@dataclass(frozen=True)
class VocoderSizes:
    """Sizes of a vocoder.

    Attributes:
        inputs: Channels of a frame that it speaks.
        channels: Width before upsampling, half as wide after each.
        rates: Upsampling factors.
        kernels: Widths of the convolutions that upsample.
        block_kernels: Widths of the convolutions in residual blocks.
        block_dilations: Their dilations.
        speaker_channels: Width of the speaker embedding; 0 where the frames tell who speaks.
        final_bias: Whether the last convolution has one.
    """

    inputs: int
    channels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    block_kernels: tuple[int, ...] = (3, 7, 11)
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    speaker_channels: int = 0
    final_bias: bool = False

    @classmethod
    def of(cls, config: SovitsConfig) -> VocoderSizes:
        """Return the sizes of the vocoder inside a generator."""
        return cls(
            config.inter_channels,
            config.upsample_initial_channel,
            config.upsample_rates,
            config.upsample_kernel_sizes,
            config.resblock_kernel_sizes,
            config.resblock_dilation_sizes,
            config.gin_channels,
        )


class Vocoder(nn.Module):
    """Transposed convolutions, each followed by the mean of residual blocks of several widths."""

    def __init__(self, sizes: VocoderSizes):
        super().__init__()
        channels, self.rates = sizes.channels, sizes.rates
        self.conv_pre = nn.Conv1d(sizes.inputs, channels, 7, padding=3)
        self.cond = nn.Conv1d(sizes.speaker_channels, channels, 1) if sizes.speaker_channels else None
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(sizes.rates, sizes.kernels, strict=True):
            self.ups.append(NormedConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
            channels //= 2
            for size, dilations in zip(sizes.block_kernels, sizes.block_dilations, strict=True):
                self.resblocks.append(ResidualBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=sizes.final_bias)

    def before_upsampling(self, z_BCT: Tensor, g_BG1: Tensor | None) -> Tensor:
        """Return the first convolution of the frames, conditioned on the speaker where there is one."""
        x_BCT = self.conv_pre(z_BCT)
        return x_BCT if self.cond is None else x_BCT + self.cond(g_BG1)

    def forward(self, z_BCT: Tensor, g_BG1: Tensor | None = None, lengths_B: Tensor | None = None) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, samples]`; 640 a latent frame in v1 to v2ProPlus, 480 a mel frame in v4.

        Args:
            g_BG1: Speaker embedding, for a vocoder that has `speaker_channels`.
            lengths_B: Frames of each item, whose z is 0 after them; each then sounds as it does alone.
        """
        x_BCT = self.before_upsampling(z_BCT, g_BG1)
        together = lengths_B is None and gain_together(x_BCT)
        x_BCT = channels_together(x_BCT) if together else x_BCT
        widths, mask_B1T = len(self.resblocks) // len(self.ups), None
        for i, upsample in enumerate(self.ups):
            if lengths_B is not None:
                mask_B1T = length_mask(lengths_B, x_BCT.shape[-1], x_BCT.dtype)
                lengths_B = lengths_B * self.rates[i]
            x_BCT = upsample(active(x_BCT, mask_B1T))
            if lengths_B is not None:
                mask_B1T = length_mask(lengths_B, x_BCT.shape[-1], x_BCT.dtype)
            blocks = self.resblocks[i * widths : (i + 1) * widths]
            x_BCT = functools.reduce(torch.add, [block(x_BCT, mask_B1T) for block in blocks]) / widths
        x_BCT = active(x_BCT, mask_B1T, slope=0.01)
        if together:
            post = self.conv_post
            return torch.tanh(F.conv2d(x_BCT, post.weight.unsqueeze(2), post.bias, padding=(0, 3)).squeeze(2))
        return torch.tanh(self.conv_post(x_BCT))
