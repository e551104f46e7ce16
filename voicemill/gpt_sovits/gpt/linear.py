"""Matrices in the form that decoding multiplies fastest by.

One line's decoding reads every weight once per token, so that memory bounds it. On a CPU, oneDNN's blocked layout reads
at the speed of memory where a plain matrix is read at about half of it; bfloat16 halves what is read, int8 quarters it.

Shapes: I inputs, O outputs.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Literal["plain", "packed", "bf16", "int8"]
"""`plain`: as the model has them. On a CPU also, whatever the activations' type: `packed` fp32, `bf16`, `int8`."""


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
    """oneDNN's own layout of the weights, fp32; ReLU and sum are part of the product."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight_OI.detach().contiguous()), bias_O)

    def _times(self, x: Tensor, then: str) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight_OI, self.bias_O, then, [], "")

    def __call__(self, x: Tensor) -> Tensor:
        return self._times(x, "none")

    def relu(self, x: Tensor) -> Tensor:
        return self._times(x, "relu")

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.weight_OI, self.bias_O, "add")


class Bfloat16Linear(PackedLinear):
    """bfloat16 weights for fp32 activations: products are summed in fp32, their inputs and results rounded."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        super().__init__(weight_OI.bfloat16(), None if bias_O is None else bias_O.bfloat16())

    def _times(self, x: Tensor, then: str) -> Tensor:
        return super()._times(x.bfloat16(), then)

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x).float()

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        return residual + self._times(x, "none")


class Int8Linear(Linear):
    """int8 weights with a scale for each output; activations get one scale for all rows at every product."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None):
        scale_O = (weight_OI.detach().float().abs().amax(1) / 127).clamp_min(1e-12)
        whole = torch.quantize_per_channel(
            weight_OI.detach().float(), scale_O, torch.zeros_like(scale_O, dtype=torch.long), 0, torch.qint8
        )
        self.packed: Any = torch.ops.quantized.linear_prepack(whole, None if bias_O is None else bias_O.float())

    # Seven bits of the activations are used (the last argument): eight would overflow without VNNI.
    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(x, self.packed, True)

    def relu(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_relu_dynamic(x, self.packed, True)


KINDS: dict[str, type[Linear]] = {
    "plain": Linear,
    "packed": PackedLinear,
    "bf16": Bfloat16Linear,
    "int8": Int8Linear,
}


def weights_for(precision: str, device: torch.device) -> Weights:
    """The form for a precision (`fp32`, `bf16`, `fp16`, `int8`) on a device.

    Raises:
        ValueError: If the device cannot compute so.
    """
    if device.type != "cpu":
        if precision == "int8":
            raise ValueError("int8 weights are for the CPU; on a GPU use fp16 or bf16")
        return "plain"
    if precision == "int8":
        return "int8"
    packable = torch.backends.mkldnn.is_available()
    if precision == "bf16" and packable and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "bf16"
    return "packed" if precision == "fp32" and packable else "plain"
