"""HiFi-GAN: latent frames to a waveform (Kong et al., 2020)."""

from __future__ import annotations

import functools

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


class Vocoder(nn.Module):
    """Transposed convolutions, each followed by the mean of residual blocks of several widths."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        channels, self.rates = config.upsample_initial_channel, config.upsample_rates
        self.conv_pre = nn.Conv1d(config.inter_channels, channels, 7, padding=3)
        self.cond = nn.Conv1d(config.gin_channels, channels, 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(NormedConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(ResidualBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=False)

    def forward(self, z_BCT: Tensor, g_BG1: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, T * 640]`.

        Args:
            lengths_B: Frames of each item, whose z is 0 after them; each then sounds as it does alone.
        """
        x_BCT = self.conv_pre(z_BCT) + self.cond(g_BG1)
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
            return torch.tanh(F.conv2d(x_BCT, self.conv_post.weight.unsqueeze(2), padding=(0, 3)).squeeze(2))
        return torch.tanh(self.conv_post(x_BCT))
