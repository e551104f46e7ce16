"""The vocoder as a CPU runs it fastest: channels-last activations and weights, in tiles that fit into its cache.

Shapes: B batch, C channels, T frames or samples; inside, `x_BC1T` lies in memory as [B, T, C].
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.layers import as_plain_weight, channels_together, samples_of_frames
from voicemill.gpt_sovits.sovits.vocoder import SLOPE, ResidualBlock, Vocoder

TILE = 2**19
"""Numbers of an activation that are worked on at a time: a few of them fit into a processor's cache."""


class _Convolution:
    """A convolution over T that keeps its length."""

    def __init__(self, weight_OCk: Tensor, bias_O: Tensor | None, dilation: int, dtype: torch.dtype):
        self.reach, self.dilation = (weight_OCk.shape[2] - 1) * dilation // 2, dilation
        weight = weight_OCk.detach().to(dtype).unsqueeze(2)
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = None if bias_O is None else bias_O.detach().to(dtype)

    @classmethod
    def of(cls, conv: nn.Conv1d, dtype: torch.dtype) -> _Convolution:
        return cls(conv.weight, conv.bias, conv.dilation[0], dtype)

    def __call__(self, x_BC1T: Tensor) -> Tensor:
        return F.conv2d(x_BC1T, self.weight, self.bias, padding=(0, self.reach), dilation=(1, self.dilation))


class _Upsampling:
    """A transposed convolution as a plain one whose channels are the samples that a frame becomes."""

    def __init__(self, up: nn.ConvTranspose1d, dtype: torch.dtype):
        self.stride = up.stride[0]
        weight_OCk = as_plain_weight(up.weight.detach(), self.stride, int(up.padding[0]))
        bias_O = None if up.bias is None else up.bias.detach().repeat(self.stride)
        self.convolution = _Convolution(weight_OCk, bias_O, 1, dtype)

    def __call__(self, x_BC1T: Tensor) -> Tensor:
        return samples_of_frames(self.convolution(x_BC1T), self.stride)


class _Block:
    """A residual block."""

    def __init__(self, block: ResidualBlock, dtype: torch.dtype):
        pairs = zip(cast(list[nn.Conv1d], block.convs1), cast(list[nn.Conv1d], block.convs2), strict=True)
        self.pairs = [(_Convolution.of(first, dtype), _Convolution.of(second, dtype)) for first, second in pairs]
        self.reach = sum(first.reach + second.reach for first, second in self.pairs)

    def __call__(self, x_BC1T: Tensor, active_BC1T: Tensor) -> Tensor:
        """Take the input, and the same after its activation, which all blocks begin with."""
        sum_BC1T = x_BC1T.clone(memory_format=torch.channels_last)
        for index, (dilated, plain) in enumerate(self.pairs):
            active_BC1T = F.leaky_relu(sum_BC1T, SLOPE) if index else active_BC1T
            sum_BC1T += plain(F.leaky_relu_(dilated(active_BC1T), SLOPE))
        return sum_BC1T


class PackedVocoder(nn.Module):
    """Does what the vocoder does, for speaking only.

    Args:
        vocoder: On the CPU, weight norm folded.
        dtype: float32, or bfloat16 where the processor has it.
    """

    def __init__(self, vocoder: Vocoder, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.dtype = dtype
        self.before_upsampling, self.conv_post = vocoder.before_upsampling, vocoder.conv_post
        self.first = nn.ModuleList(layer for layer in (vocoder.conv_pre, vocoder.cond) if layer is not None)
        widths = len(vocoder.resblocks) // len(vocoder.ups)
        blocks = [_Block(block, dtype) for block in cast(list[ResidualBlock], vocoder.resblocks)]
        self.stages = [
            (_Upsampling(up, dtype), blocks[i * widths : (i + 1) * widths])
            for i, up in enumerate(cast(list[nn.ConvTranspose1d], vocoder.ups))
        ]

    def forward(self, z_BCT: Tensor, g_BG1: Tensor | None = None, lengths_B: Tensor | None = None) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, samples]`; see `Vocoder`."""
        if lengths_B is not None:
            # Together they would be no faster.
            voices = [None] * len(z_BCT) if g_BG1 is None else g_BG1.expand(len(z_BCT), -1, -1).split(1)
            frames = zip(z_BCT.split(1), voices, lengths_B.tolist(), strict=True)
            wavs = [self(z_1CT[..., :n], g_1G1)[0, 0] for z_1CT, g_1G1, n in frames]
            return nn.utils.rnn.pad_sequence(wavs, batch_first=True).unsqueeze(1)
        x_BC1T = channels_together(self.before_upsampling(z_BCT, g_BG1).to(self.dtype))
        for upsample, blocks in self.stages:
            x_BC1T = _mean_in_tiles(blocks, upsample(F.leaky_relu_(x_BC1T, SLOPE)))
        return torch.tanh(self.conv_post(F.leaky_relu_(x_BC1T.squeeze(2).float())))


def _mean_in_tiles(blocks: list[_Block], x_BC1T: Tensor) -> Tensor:
    """Mean of what the blocks make of it, in stretches of time with as much around them as the blocks hear."""
    B, C, _, T = x_BC1T.shape
    length, reach = max(1, TILE // (B * C)), max(block.reach for block in blocks)
    mean_BC1T = torch.empty_like(x_BC1T)
    for start in range(0, T, length):
        end, first = min(start + length, T), max(0, start - reach)
        part = x_BC1T[..., first : end + reach].contiguous(memory_format=torch.channels_last)
        active = F.leaky_relu(part, SLOPE)
        total = blocks[0](part, active)
        for block in blocks[1:]:
            total += block(part, active)
        mean_BC1T[..., start:end] = total[..., start - first : end - first].div_(len(blocks))
    return mean_BC1T


def has_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16 faster than in fp32."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def pack_vocoder(speaker: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Put the fast vocoder into what speaks, if it is on a CPU that can run it.

    Args:
        speaker: Has its vocoder as `dec`, weight norm folded.
        dtype: bfloat16 is taken where the processor has it; anything else is float32.
    """
    if next(speaker.parameters()).device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return
    reduced = dtype == torch.bfloat16 and has_bfloat16()
    if isinstance(speaker.dec, Vocoder):
        speaker.add_module("dec", PackedVocoder(speaker.dec, torch.bfloat16 if reduced else torch.float32))
