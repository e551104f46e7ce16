"""The vocoder as a CPU runs it fastest: channels-last activations, weights in oneDNN's layout, sums and ReLUs fused.

Shapes: B batch, C channels, T frames or samples; inside, `x_BC1T` lies in memory as [B, T, C].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.vocoder import SLOPE, ResidualBlock, Vocoder

Conv = Callable[..., Tensor]


def _convolution(conv: nn.Conv1d, dtype: torch.dtype) -> Conv:
    """`conv(x)` with a leaky ReLU behind it, or `conv(x, residual)` which adds."""
    padding, dilation = [0, int(conv.padding[0])], [1, conv.dilation[0]]
    weight = conv.weight.detach().to(dtype).unsqueeze(2).contiguous(memory_format=torch.channels_last)
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, [1, 1], dilation, 1, None)
    bias = None if conv.bias is None else conv.bias.detach().to(dtype)
    places = (padding, [1, 1], dilation, 1)

    def convolve(x_BC1T: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is None:
            return torch.ops.mkldnn._convolution_pointwise(x_BC1T, packed, bias, *places, "leaky_relu", [SLOPE], "")
        return torch.ops.mkldnn._convolution_pointwise.binary(
            x_BC1T, residual, packed, bias, *places, "add", 1.0, None, [], None
        )

    return convolve


class PackedVocoder(nn.Module):
    """Does what the vocoder does, for speaking only.

    Args:
        vocoder: On the CPU, weight norm folded.
        dtype: float32, or bfloat16 where the processor has it.
    """

    def __init__(self, vocoder: Vocoder, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.dtype = dtype
        self.conv_pre, self.cond, self.conv_post = vocoder.conv_pre, vocoder.cond, vocoder.conv_post
        self.stages: list[tuple[Conv, list[list[tuple[Conv, Conv]]]]] = []
        widths = len(vocoder.resblocks) // len(vocoder.ups)
        for i, up in enumerate(vocoder.ups):
            blocks = cast(list[ResidualBlock], vocoder.resblocks[i * widths : (i + 1) * widths])
            pairs = [
                [
                    (_convolution(cast(nn.Conv1d, first), dtype), _convolution(cast(nn.Conv1d, second), dtype))
                    for first, second in zip(block.convs1, block.convs2, strict=True)
                ]
                for block in blocks
            ]
            self.stages.append((self._upsampling(cast(nn.ConvTranspose1d, up)), pairs))

    def _upsampling(self, up: nn.ConvTranspose1d) -> Conv:
        weight = up.weight.detach().to(self.dtype).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        bias = None if up.bias is None else up.bias.detach().to(self.dtype)
        stride, padding = (1, up.stride[0]), (0, int(up.padding[0]))

        def upsample(x_BC1T: Tensor) -> Tensor:
            return F.conv_transpose2d(x_BC1T, weight, bias, stride, padding)

        return upsample

    def forward(self, z_BCT: Tensor, g_BG1: Tensor) -> Tensor:
        """Waveform in [-1, 1], `[B, 1, T * 640]`."""
        x = (self.conv_pre(z_BCT) + self.cond(g_BG1)).to(self.dtype).unsqueeze(2)
        x = x.contiguous(memory_format=torch.channels_last)
        for upsample, blocks in self.stages:
            x = upsample(F.leaky_relu_(x, SLOPE)).contiguous(memory_format=torch.channels_last)
            # All blocks begin with the same activation.
            start, total = F.leaky_relu(x, SLOPE), None
            for pairs in blocks:
                y, active = x, start
                for index, (dilated, plain) in enumerate(pairs):
                    active = F.leaky_relu(y, SLOPE) if index else start
                    y = plain(dilated(active), y)
                total = y if total is None else total.add_(y)
            assert total is not None
            x = total.div_(len(blocks))
        return torch.tanh(self.conv_post(F.leaky_relu_(x.squeeze(2).float())))


def pack_vocoder(generator: Generator, dtype: torch.dtype = torch.float32) -> None:
    """Put the fast vocoder into a generator that `for_inference` has prepared, if it is on a CPU that can run it.

    Args:
        dtype: bfloat16 is taken where the processor has it; anything else is float32.
    """
    if next(generator.parameters()).device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return
    reduced = dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if isinstance(generator.dec, Vocoder):
        generator.add_module("dec", PackedVocoder(generator.dec, torch.bfloat16 if reduced else torch.float32))
