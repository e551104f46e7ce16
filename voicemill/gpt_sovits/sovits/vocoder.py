"""HiFi-GAN: latent frames to a waveform (Kong et al., 2020)."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.layers import NormedConv1d, NormedConvTranspose1d

SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Pairs of a dilated and an undilated convolution, each pair with a residual connection."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]):
        super().__init__()

        def convolution(dilation: int) -> NormedConv1d:
            padding = (kernel_size - 1) * dilation // 2
            return NormedConv1d(channels, channels, kernel_size, dilation=dilation, padding=padding)

        self.convs1 = nn.ModuleList(convolution(dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(convolution(1) for _ in dilations)

    def forward(self, x_BCT: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x_BCT = x_BCT + plain(F.leaky_relu(dilated(F.leaky_relu(x_BCT, SLOPE)), SLOPE))
        return x_BCT


class Vocoder(nn.Module):
    """Transposed convolutions, each followed by the mean of residual blocks of several widths."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        channels = config.upsample_initial_channel
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

    def forward(self, z_BCT: Tensor, g_BG1: Tensor) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, T * 640]`."""
        x_BCT = self.conv_pre(z_BCT) + self.cond(g_BG1)
        widths = len(self.resblocks) // len(self.ups)
        for i, upsample in enumerate(self.ups):
            x_BCT = upsample(F.leaky_relu(x_BCT, SLOPE))
            blocks = self.resblocks[i * widths : (i + 1) * widths]
            x_BCT = functools.reduce(torch.add, [block(x_BCT) for block in blocks]) / widths
        return torch.tanh(self.conv_post(F.leaky_relu(x_BCT)))
