"""Products, dropout and attention as a CPU trains them fastest; on other devices, torch's own.

torch hands fp32 products to MKL, which on AMD processors reaches half of what oneDNN reaches there, and draws dropout
one number at a time. Results differ from torch's by rounding, and in which random numbers drop what.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def _applies(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
    )


def _times(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x_NI, weight_OI, bias_O, "none", [], "")


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_NI, weight_OI)
        ctx.has_bias = bias_O is not None
        return _times(x_NI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        gradient_NO = gradients[0].contiguous()
        x_NI, weight_OI = ctx.saved_tensors
        needs_x, needs_weight, _ = ctx.needs_input_grad
        return (
            _times(gradient_NO, weight_OI.t()) if needs_x else None,
            _times(gradient_NO.t(), x_NI.t()) if needs_weight else None,
            gradient_NO.sum(0) if ctx.has_bias else None,
        )


def linear(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    """`F.linear`."""
    if not _applies(x):
        return F.linear(x, weight_OI, bias_O)
    y_NO = _Product.apply(x.reshape(-1, x.shape[-1]), weight_OI, bias_O)
    return y_NO.view(*x.shape[:-1], len(weight_OI))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        # Sixteen random bits decide on an element, which rounds the probability to a 65536th.
        least = round(probability * 65536)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        dropped = (bits[: x.numel()] < least - 32768).view(x.shape)
        ctx.save_for_backward(dropped)
        ctx.scale = 65536 / (65536 - least)
        return x.masked_fill(dropped, 0).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (dropped,) = ctx.saved_tensors
        return gradients[0].masked_fill(dropped, 0).mul_(ctx.scale), None


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """`F.dropout`."""
    if not training or probability == 0:
        return x
    return _Dropout.apply(x, probability) if _applies(x) else F.dropout(x, probability)


def attention(q_BHLd: Tensor, k_BHSd: Tensor, v_BHSd: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """`F.scaled_dot_product_attention` with a mask that is True where something is seen; every row sees something."""
    if probability == 0 or not _applies(q_BHLd):
        return F.scaled_dot_product_attention(q_BHLd, k_BHSd, v_BHSd, attn_mask=mask, dropout_p=probability)
    scores = (q_BHLd * q_BHLd.shape[-1] ** -0.5) @ k_BHSd.transpose(2, 3)
    if mask is not None:
        scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, -torch.inf)
    return dropout(scores.softmax(-1), probability, True) @ v_BHSd
