"""Matrices in the form that decoding multiplies fastest by.

One line's decoding reads every weight once per token, so that memory bounds it. On a CPU, oneDNN's blocked layout reads
at the speed of memory where a plain matrix is read at about half of it; float16 halves what is read, int8 quarters it.
Weights files are in float16, so that for what was loaded from one float16 loses nothing.

Shapes: I inputs, O outputs.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.gpt_sovits.kernels.operations import operations

Weights = Literal["plain", "packed", "fp16", "int8"]
"""`plain`: as the model has them. On a CPU also, for activations in fp32: `packed` fp32, `fp16`, `int8`."""


class Linear:
    """`x @ weight.T + bias`, and the two things that follow it in a transformer."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        self.weight_OI, self.bias_O = weight_OI, bias_O

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_OI, self.bias_O)

    def relu(self, x: Tensor) -> Tensor:
        return self(x).relu_()

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        return residual + self(x)


class PackedLinear(Linear):
    """oneDNN's own layout of the weights, fp32."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        self.packed = operations().pack_linear(weight_OI, bias_O)

    def __call__(self, x: Tensor) -> Tensor:
        return operations().packed_linear(x, self.packed)


class Float16Linear(Linear):
    """float16 weights for fp32 activations, multiplied and summed in fp32 by FBGEMM, which needs an x86 with AVX2."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        self.packed = operations().pack_float16(weight_OI, bias_O)

    def __call__(self, x: Tensor) -> Tensor:
        return operations().float16_linear(x, self.packed)


class Int8Linear(Linear):
    """int8 weights with a scale for each output; activations get one scale for all rows at every product."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        self.packed = operations().pack_int8(weight_OI, bias_O)

    def __call__(self, x: Tensor) -> Tensor:
        return operations().int8_linear(x, self.packed)


KINDS: dict[str, type[Linear]] = {
    "plain": Linear,
    "packed": PackedLinear,
    "fp16": Float16Linear,
    "int8": Int8Linear,
}


def weights_for(precision: str, device: torch.device, model: nn.Module) -> Weights:
    """Return the form for a precision (`fp32`, `bf16`, `fp16`, `int8`) on a device.

    Args:
        precision: What was asked for; on a CPU both half precisions are float16.
        device: Where to compute.
        model: Whose weights they are: those that float16 holds exactly are kept in it for fp32 too.

    Raises:
        ValueError: If the device cannot compute so.
    """
    if device.type != "cpu":
        if precision == "int8":
            raise ValueError("int8 weights are for the CPU; on a GPU use fp16 or bf16")
        return "plain"
    if precision == "int8":
        return "int8"
    if operations().has_float16_weights() and (precision != "fp32" or _is_half(model)):
        return "fp16"
    return "packed" if operations().are_fast else "plain"


def _is_half(model: nn.Module) -> bool:
    """Return whether float16 holds every weight exactly."""
    return all(bool((weight == weight.half().to(weight.dtype)).all()) for weight in model.parameters())
