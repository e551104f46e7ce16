"""Private operations of torch, each beside a form in plain torch; nothing else in voicemill calls a private one.

torch may change or remove a private operation in any release. `operations` tries each of them once in a process, on
small tensors, and where one is missing, fails or gives another result it takes the plain forms, which any torch from
2.8 on runs. What gains less than 1.3 times over its plain form is not kept here (`python -m benchmarks.kernels`), but
for `linear`: it gains 1.1 to 1.3 times, and without it a training step of the token model takes 10 % longer.

Shapes: N rows, I inputs, O outputs.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from voicemill.core.errors import UsageError
from voicemill.core.logs import get_logger

log = get_logger(__name__)

VARIABLE = "VOICEMILL_KERNELS"
"""Environment variable: `plain` takes the plain forms; `auto`, the default, the private ones where they work."""


@dataclass(frozen=True)
class Packed:
    """A matrix in the form that an operation multiplies fastest by, and the bias where that form does not hold it."""

    weight: Any
    bias_O: Tensor | None = None


class Plain:
    """The operations as any torch has them."""

    are_fast = False

    def has_float16_weights(self) -> bool:
        """Whether fp32 activations are multiplied with float16 weights faster than with fp32 ones on this CPU."""
        return False

    def linear(self, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
        """`F.linear` in fp32; without gradients."""
        return F.linear(x_NI, weight_OI, bias_O)

    def pack_linear(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        """Return a matrix for `packed_linear`."""
        return Packed(weight_OI.detach(), bias_O)

    def packed_linear(self, x: Tensor, packed: Packed) -> Tensor:
        """`F.linear` in fp32 by a packed matrix."""
        return F.linear(x, packed.weight, packed.bias_O)

    def pack_float16(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        """Return a matrix in float16, for `float16_linear`."""
        return Packed(weight_OI.detach().half(), _float(bias_O))

    def float16_linear(self, x: Tensor, packed: Packed) -> Tensor:
        """`F.linear` of fp32 activations with float16 weights, summed in fp32."""
        return F.linear(x, packed.weight.float(), packed.bias_O)

    def pack_int8(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        """Return a matrix in int8 with a scale for each output, for `int8_linear`."""
        scale_O1 = _int8_scale(weight_OI)[:, None]
        return Packed(((weight_OI.detach().float() / scale_O1).round().to(torch.int8), scale_O1), _float(bias_O))

    def int8_linear(self, x: Tensor, packed: Packed) -> Tensor:
        """`F.linear` of fp32 activations with int8 weights; the private form rounds the activations too."""
        whole_OI, scale_O1 = packed.weight
        return F.linear(x, whole_OI.float() * scale_O1, packed.bias_O)

    def weight_norm(self, v: Tensor, g: Tensor) -> Tensor:
        """`g * v / |v|`, the norm taken per first dimension; with gradients."""
        return v * (g / torch.linalg.vector_norm(v, dim=tuple(range(1, v.ndim)), keepdim=True))


class Private(Plain):
    """The operations by oneDNN and FBGEMM, as torch calls them privately."""

    are_fast = True

    def has_float16_weights(self) -> bool:
        return "fbgemm" in torch.backends.quantized.supported_engines

    def linear(self, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x_NI, weight_OI, bias_O, "none", [], "")

    def pack_linear(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        return Packed(torch.ops.mkldnn._reorder_linear_weight(weight_OI.detach().contiguous()), bias_O)

    def packed_linear(self, x: Tensor, packed: Packed) -> Tensor:
        return self.linear(x, packed.weight, packed.bias_O)

    def pack_float16(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        if not self.has_float16_weights():
            return super().pack_float16(weight_OI, bias_O)
        weight = weight_OI.detach().float().contiguous()
        return Packed(torch.ops.quantized.linear_prepack_fp16(weight, _float(bias_O)))

    def float16_linear(self, x: Tensor, packed: Packed) -> Tensor:
        if not self.has_float16_weights():
            return super().float16_linear(x, packed)
        return torch.ops.quantized.linear_dynamic_fp16(x, packed.weight)

    def pack_int8(self, weight_OI: Tensor, bias_O: Tensor | None) -> Packed:
        scale_O = _int8_scale(weight_OI)
        zeros_O = torch.zeros_like(scale_O, dtype=torch.long)
        whole = torch.quantize_per_channel(weight_OI.detach().float(), scale_O, zeros_O, 0, torch.qint8)
        return Packed(torch.ops.quantized.linear_prepack(whole, _float(bias_O)))

    def int8_linear(self, x: Tensor, packed: Packed) -> Tensor:
        # Seven bits of the activations are used (the last argument): eight would overflow without VNNI.
        return torch.ops.quantized.linear_dynamic(x, packed.weight, True)

    def weight_norm(self, v: Tensor, g: Tensor) -> Tensor:
        return torch._weight_norm(v, g, 0)  # pyright: ignore[reportPrivateImportUsage]


@functools.cache
def operations() -> Plain:
    """Return the operations of this process: the private ones where they work, else the plain ones, with a warning.

    Raises:
        UsageError: If `$VOICEMILL_KERNELS` is neither `auto` nor `plain`.
    """
    asked = os.environ.get(VARIABLE) or "auto"
    if asked not in ("auto", "plain"):
        raise UsageError(f"{VARIABLE}={asked} cannot be used; it is auto or plain")
    if asked == "plain" or not torch.backends.mkldnn.is_available():
        return Plain()
    problem = what_fails(Private())
    if problem:
        log.warning("torch %s: %s; plain torch takes its place, which is slower", torch.__version__, problem)
        return Plain()
    return Private()


def what_fails(tried: Plain) -> str:
    """Return what an implementation does otherwise than `Plain`, on small tensors; empty if nothing.

    Whoever asks first may be building a model on the meta device or computing in half precision; the answer holds for
    the whole process and must not depend on that.
    """
    with torch.no_grad(), torch.device("cpu"), torch.autocast("cpu", enabled=False):
        return _what_fails(tried)


def _what_fails(tried: Plain) -> str:
    plain, rng = Plain(), torch.Generator().manual_seed(0)
    x_NI, weight_OI, bias_O = (torch.randn(*shape, generator=rng) for shape in ((3, 16), (8, 16), (8,)))
    pairs = [("pack_linear", "packed_linear", 1e-4), ("pack_float16", "float16_linear", 1e-2)]
    pairs.append(("pack_int8", "int8_linear", 0.1))
    for pack, times, tolerance in pairs:
        try:
            y_NO = getattr(tried, times)(x_NI, getattr(tried, pack)(weight_OI, bias_O))
        except (AttributeError, RuntimeError, TypeError) as error:
            return f"{times} fails ({error})"
        exact_NO = getattr(plain, times)(x_NI, getattr(plain, pack)(weight_OI, bias_O))
        if not torch.allclose(y_NO, exact_NO, rtol=tolerance, atol=tolerance):
            return f"{times} gives another result than plain torch"
    for name, given in (("linear", (x_NI, weight_OI, bias_O)), ("weight_norm", (weight_OI, bias_O[:, None]))):
        try:
            y = getattr(tried, name)(*given)
        except (AttributeError, RuntimeError, TypeError) as error:
            return f"{name} fails ({error})"
        if not torch.allclose(y, getattr(plain, name)(*given), rtol=1e-4, atol=1e-4):
            return f"{name} gives another result than plain torch"
    return ""


def _int8_scale(weight_OI: Tensor) -> Tensor:
    """Return the scale of each output that makes its largest weight 127."""
    return (weight_OI.detach().float().abs().amax(1) / 127).clamp_min(1e-12)


def _float(bias_O: Tensor | None) -> Tensor | None:
    return None if bias_O is None else bias_O.detach().float()
