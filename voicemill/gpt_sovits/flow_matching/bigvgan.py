"""BigVGAN (Lee et al., 2023), v3's vocoder: residual blocks with periodic activations that do not alias.

Attribute names are those of NVIDIA's checkpoints.

Shapes: B batch, C channels, T frames or samples.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching.dit import BANDS
from voicemill.gpt_sovits.sovits.layers import NormedConv1d, NormedConvTranspose1d, named

TAPS = 12
"""Of the filters between which an activation runs at twice the rate."""
_SMALL = 1e-9


@dataclass(frozen=True)
class BigVganSizes:
    """What a `config.json` of BigVGAN says of the network; the defaults are those of the 24 kHz model that v3 has."""

    num_mels: int = BANDS
    resblock: Literal["1", "2"] = "1"
    upsample_rates: tuple[int, ...] = (4, 4, 2, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (8, 8, 4, 4, 4, 4)
    upsample_initial_channel: int = 1536
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    activation: Literal["snake", "snakebeta"] = "snakebeta"
    snake_logscale: bool = True
    use_tanh_at_final: bool = False
    use_bias_at_final: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any], name: object) -> BigVganSizes:
        """Return the sizes of a configuration, whose other entries (of training) are passed over.

        Raises:
            InputError: It is not one of BigVGAN, or has sizes that no vocoder has; `name` is what the error calls it.
        """
        known = {field.name for field in fields(cls)}
        # The two that are newer than the configurations of the first models.
        filled = {"use_tanh_at_final": True, "use_bias_at_final": True, **document}
        sizes = untrusted.shaped(cls, {key: value for key, value in filled.items() if key in known}, str(name))
        widths = [*sizes.upsample_rates, *sizes.upsample_kernel_sizes, *sizes.resblock_kernel_sizes]
        widths += [dilation for row in sizes.resblock_dilation_sizes for dilation in row]
        plausible = all(0 < width <= 64 for width in widths) and 0 < sizes.upsample_initial_channel <= 8192
        paired = len(sizes.upsample_rates) == len(sizes.upsample_kernel_sizes) <= 12
        if not plausible or not paired or len(sizes.resblock_kernel_sizes) != len(sizes.resblock_dilation_sizes):
            raise InputError(f"{name} cannot be used: its sizes are not those of a BigVGAN")
        if sizes.num_mels != BANDS:
            raise InputError(f"{name} is of a vocoder of {sizes.num_mels} mel bands; v3 has {BANDS}")
        return sizes


def low_pass(cutoff: float, half_width: float, taps: int = TAPS) -> Tensor:
    """Return a windowed sinc filter `[taps]` (Kaiser's window and formula), whose sum is 1.

    Args:
        cutoff: In cycles a sample.
        half_width: Half the width of its transition, in cycles a sample.
        taps: An even number.
    """
    attenuation = 2.285 * (taps // 2 - 1) * math.pi * 4 * half_width + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation >= 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    window = torch.kaiser_window(taps, beta=beta, periodic=False)
    time = torch.arange(-(taps // 2), taps // 2) + 0.5
    response = 2 * cutoff * window * torch.sinc(2 * cutoff * time)
    return response / response.sum()


class Filter(nn.Module):
    """A low-pass filter between a rate and its double; each channel passes it alone."""

    filter: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("filter", low_pass(0.25, 0.3).view(1, 1, TAPS))

    def up(self, x_NT: Tensor) -> Tensor:
        """Twice as many samples."""
        # A sample and the one between it and the next hear every other tap each.
        taps_21k = 2 * self.filter.view(TAPS // 2, 2).flip(0).T.unsqueeze(1)
        padded = F.pad(x_NT.unsqueeze(1), (TAPS // 4, TAPS // 4), mode="replicate")
        both_N2T = F.conv1d(padded, taps_21k)
        T = x_NT.shape[-1]
        return torch.stack([both_N2T[:, 1, :T], both_N2T[:, 0, 1 : T + 1]], dim=-1).flatten(1)

    def down(self, x_NT: Tensor) -> Tensor:
        """Half as many samples."""
        padded = F.pad(x_NT.unsqueeze(1), (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(padded, self.filter, stride=2).squeeze(1)


class Snake(nn.Module):
    """`x + sin(ax)^2 / b` (Ziyin et al., 2020), where `snake` has only one of the two."""

    def __init__(self, channels: int, sizes: BigVganSizes):
        super().__init__()
        self.logarithmic = sizes.snake_logscale
        initial = torch.zeros(channels) if self.logarithmic else torch.ones(channels)
        self.alpha = nn.Parameter(initial)
        self.beta = nn.Parameter(initial.clone()) if sizes.activation == "snakebeta" else None

    def forward(self, x_BCT: Tensor) -> Tensor:
        alpha, beta = self.alpha, self.alpha if self.beta is None else self.beta
        if self.logarithmic:
            alpha, beta = alpha.exp(), beta.exp()
        return x_BCT + torch.sin(x_BCT * alpha.view(-1, 1)).square() / (beta.view(-1, 1) + _SMALL)


class Activation(nn.Module):
    """A snake at twice the rate, so that the overtones it makes do not fold back."""

    def __init__(self, channels: int, sizes: BigVganSizes):
        super().__init__()
        self.act = Snake(channels, sizes)
        self.upsample = Filter()
        self.downsample = named(lowpass=Filter())

    def forward(self, x_BCT: Tensor) -> Tensor:
        B, C, _ = x_BCT.shape
        doubled = self.upsample.up(x_BCT.flatten(0, 1)).view(B, C, -1)
        return cast(Filter, self.downsample.lowpass).down(self.act(doubled).flatten(0, 1)).view(B, C, -1)


class ResidualBlock(nn.Module):
    """Activated convolutions with residual connections; in kind 1 each dilated one is followed by an undilated one."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], sizes: BigVganSizes):
        super().__init__()

        def convolution(dilation: int) -> NormedConv1d:
            padding = (kernel - 1) * dilation // 2
            return NormedConv1d(channels, channels, kernel, dilation=dilation, padding=padding)

        dilated = nn.ModuleList(convolution(dilation) for dilation in dilations)
        if sizes.resblock == "1":
            self.convs1, self.convs2 = dilated, nn.ModuleList(convolution(1) for _ in dilations)
            self.steps = [list(pair) for pair in zip(self.convs1, self.convs2, strict=True)]
        else:
            self.convs, self.steps = dilated, [[each] for each in dilated]
        self.activations = nn.ModuleList(Activation(channels, sizes) for _ in range(sum(map(len, self.steps))))

    def forward(self, x_BCT: Tensor) -> Tensor:
        activations = iter(self.activations)
        for convolutions in self.steps:
            changed = x_BCT
            for convolve in convolutions:
                changed = convolve(next(activations)(changed))
            x_BCT = x_BCT + changed
        return x_BCT


class BigVgan(nn.Module):
    """Log mel frames to a waveform."""

    def __init__(self, sizes: BigVganSizes):
        super().__init__()
        self.tanh = sizes.use_tanh_at_final
        channels = sizes.upsample_initial_channel
        self.conv_pre = NormedConv1d(sizes.num_mels, channels, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(sizes.upsample_rates, sizes.upsample_kernel_sizes, strict=True):
            up = NormedConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(nn.ModuleList([up]))
            channels //= 2
            for width, dilations in zip(sizes.resblock_kernel_sizes, sizes.resblock_dilation_sizes, strict=True):
                self.resblocks.append(ResidualBlock(channels, width, dilations, sizes))
        self.activation_post = Activation(channels, sizes)
        self.conv_post = NormedConv1d(channels, 1, 7, padding=3, bias=sizes.use_bias_at_final)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, samples]`."""
        x_BCT, widths = self.conv_pre(mel_BMT), len(self.resblocks) // len(self.ups)
        for i, ups in enumerate(self.ups):
            for upsample in cast(nn.ModuleList, ups):
                x_BCT = upsample(x_BCT)
            blocks = self.resblocks[i * widths : (i + 1) * widths]
            x_BCT = functools.reduce(torch.add, [block(x_BCT) for block in blocks]) / widths
        wav_B1L = self.conv_post(self.activation_post(x_BCT))
        return torch.tanh(wav_B1L) if self.tanh else wav_B1L.clamp(-1, 1)
