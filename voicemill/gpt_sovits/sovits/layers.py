"""Layers that several parts of SoVITS are made of.

Attribute names are those of the reference's checkpoints, whose tensors load as they stand.

Shapes: B batch, C channels, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.kernels.operations import operations


class _WeightNorm(nn.Module):
    """A convolution whose weight is `g * v / |v|`, the norm taken per first dimension (Salimans and Kingma, 2016).

    Stored as `weight_g` and `weight_v`. `fold` turns the pair into a plain weight, which saves its computation in
    every call; a folded layer can only be used, not trained or saved.
    """

    weight_g: nn.Parameter
    weight_v: nn.Parameter

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        weight = self._parameters.pop("weight")
        assert weight is not None
        self.weight_g = nn.Parameter(torch.norm_except_dim(weight.detach(), 2, 0))
        self.weight_v = nn.Parameter(weight.detach())

    @property
    def weight(self) -> Tensor:
        folded = self._buffers.get("folded")
        if folded is not None:
            return folded
        return operations().weight_norm(self.weight_v, self.weight_g)

    def fold(self) -> None:
        self.register_buffer("folded", self.weight.detach(), persistent=False)
        del self.weight_g, self.weight_v


class NormedConv1d(_WeightNorm, nn.Conv1d):
    """Conv1d under weight norm; of `x_BC1T` too, see `channels_together`."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(x)
        padding = (0, int(self.padding[0]))
        return F.conv2d(x, self.weight.unsqueeze(2), self.bias, (1, *self.stride), padding, (1, *self.dilation))


class NormedConvTranspose1d(_WeightNorm, nn.ConvTranspose1d):
    """ConvTranspose1d under weight norm; of `x_BC1T` too, see `channels_together`."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(x)
        stride = self.stride[0]
        weight_OCk = as_plain_weight(self.weight, stride, int(self.padding[0]))
        bias_O = None if self.bias is None else self.bias.repeat(stride)
        made = F.conv2d(x, weight_OCk.unsqueeze(2), bias_O, padding=(0, weight_OCk.shape[2] // 2))
        return samples_of_frames(made, stride)


def channels_together(x_BCT: Tensor) -> Tensor:
    """`x_BC1T` that lies in memory as [B, T, C], on which a CPU trains narrow convolutions several times as fast."""
    return x_BCT.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def as_plain_weight(weight_COk: Tensor, stride: int, padding: int) -> Tensor:
    """Weight `[stride * O, C, n]` of the plain convolution that gives a transposed one's samples as a frame's channels.

    oneDNN has no fast transposed convolution. Sample r of a frame hears tap `r + padding + stride * m` of the frame m
    before it.
    """
    C, outputs, k = weight_COk.shape
    reach = max(k - 1 - padding, stride - 1 + padding) // stride
    before_n = torch.arange(reach, -reach - 1, -1, device=weight_COk.device)
    taps_rn = torch.arange(stride, device=weight_COk.device).unsqueeze(1) + padding + stride * before_n
    # Where the tap does not exist, one of zeros.
    taps_rn = taps_rn.where((taps_rn >= 0) & (taps_rn < k), k)
    found_COrn = F.pad(weight_COk, (0, 1)).index_select(2, taps_rn.flatten()).view(C, outputs, *taps_rn.shape)
    return found_COrn.permute(2, 1, 0, 3).reshape(stride * outputs, C, -1)


def samples_of_frames(frames_BC1T: Tensor, stride: int) -> Tensor:
    """Put the samples that are channels of a frame one after the other, as in memory they are already."""
    B, _, _, T = frames_BC1T.shape
    return frames_BC1T.permute(0, 2, 3, 1).reshape(B, 1, T * stride, -1).permute(0, 3, 1, 2)


class NormedConv2d(_WeightNorm, nn.Conv2d):
    """Conv2d under weight norm."""


def fold_weight_norm(module: nn.Module) -> None:
    """Turn every weight-normed convolution inside into a plain one, for inference."""
    for layer in module.modules():
        if isinstance(layer, _WeightNorm):
            layer.fold()


@contextmanager
def computed_once(module: nn.Module) -> Iterator[None]:
    """Compute the weights of the weight-normed convolutions inside once, for passes between which they do not change.

    They get no gradients.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _WeightNorm)]
    for layer in layers:
        layer.register_buffer("folded", layer.weight.detach(), persistent=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.folded


class ChannelNorm(nn.Module):
    """Layer norm over the channels of `x_BCT`."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCT: Tensor) -> Tensor:
        x_BTC = F.layer_norm(x_BCT.transpose(1, 2), self.gamma.shape, self.gamma, self.beta)
        return x_BTC.transpose(1, 2)


class WaveNet(nn.Module):
    """Gated convolutions with residual and skip connections, conditioned on a speaker embedding (WaveGlow's WN)."""

    def __init__(self, channels: int, kernel_size: int, n_layers: int, gin_channels: int):
        super().__init__()
        self.channels = channels
        self.cond_layer = NormedConv1d(gin_channels, 2 * channels * n_layers, 1)
        self.in_layers = nn.ModuleList(
            NormedConv1d(channels, 2 * channels, kernel_size, padding=kernel_size // 2) for _ in range(n_layers)
        )
        # The last layer has no successor, hence no residual half.
        self.res_skip_layers = nn.ModuleList(
            NormedConv1d(channels, channels if last else 2 * channels, 1)
            for last in (i == n_layers - 1 for i in range(n_layers))
        )

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        skipped = torch.zeros_like(x_BCT)
        conditions = self.cond_layer(g_BG1).chunk(len(self.in_layers), dim=1)
        for convolve, split, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            tanh, gate = (convolve(x_BCT) + condition).chunk(2, dim=1)
            out = split(torch.tanh(tanh) * torch.sigmoid(gate))
            if out.shape[1] == self.channels:
                skipped = skipped + out
            else:
                residual, skip = out.chunk(2, dim=1)
                x_BCT = (x_BCT + residual) * mask_B1T
                skipped = skipped + skip
        return skipped * mask_B1T


def named(**modules: nn.Module) -> nn.Sequential:
    """Return a sequence whose parts have names, for checkpoints that nest single layers under a name."""
    sequence = nn.Sequential()
    for name, module in modules.items():
        sequence.add_module(name, module)
    return sequence


def length_mask(lengths_B: Tensor, frames: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """1 inside each item's length, 0 in its padding: `[B, 1, frames]`."""
    inside_BT = torch.arange(frames, device=lengths_B.device) < lengths_B.unsqueeze(1)
    return inside_BT.unsqueeze(1).to(dtype)


def cut_segments(x_BCT: Tensor, starts_B: Tensor, length: int) -> Tensor:
    """From each item the `length` frames that begin at its start, zeros where the item ends before."""
    position_BL = starts_B.unsqueeze(1) + torch.arange(length, device=x_BCT.device)
    short = max(0, length - x_BCT.shape[-1])
    x_BCT = F.pad(x_BCT, (0, short)) if short else x_BCT
    return x_BCT.gather(2, position_BL.unsqueeze(1).expand(-1, x_BCT.shape[1], -1))
