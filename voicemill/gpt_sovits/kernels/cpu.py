"""Products, dropout and attention as a CPU trains them fastest; on other devices, torch's own.

torch hands fp32 products to MKL, which on AMD processors is slower than oneDNN, and draws dropout one number at a time.
Results differ from torch's by rounding, and in which random numbers drop what.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.gpt_sovits.kernels.operations import operations

# Names of glibc's settings in malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the process's next tensors, for as long as the process lives.

    glibc gives blocks above 32 MB back to the system at once and gets each page of the next one by a fault. A step of
    the token model, whose attention scores are that large, spends a quarter of its time so.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _applies(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and operations().are_fast
        and not torch.is_autocast_enabled("cpu")
    )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_NI, weight_OI)
        return operations().linear(x_NI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        gradient_NO = gradients[0].contiguous()
        x_NI, weight_OI = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            operations().linear(gradient_NO, weight_OI.t()) if needs_x else None,
            operations().linear(gradient_NO.t(), x_NI.t()) if needs_weight else None,
            gradient_NO.sum(0) if needs_bias else None,
        )


def linear(x: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    """`F.linear`."""
    if not _applies(x):
        return F.linear(x, weight_OI, bias_O)
    y_NO = _Product.apply(x.reshape(-1, x.shape[-1]), weight_OI, bias_O)
    return y_NO.view(*x.shape[:-1], len(weight_OI))


class Linear(nn.Linear):
    """`nn.Linear`, by that product."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        # Sixteen random bits decide on an element, which rounds the probability to a 65536th.
        least = round(probability * 65536)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        # As numbers: torch takes a mask of truth values one at a time.
        kept = torch.empty(x.shape, dtype=torch.uint8)
        torch.ge(bits[: x.numel()].view(x.shape), least - 32768, out=kept)
        ctx.save_for_backward(kept)
        ctx.scale = 65536 / (65536 - least)
        return kept.to(x.dtype).mul_(x).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return kept.to(gradients[0].dtype).mul_(gradients[0]).mul_(ctx.scale), None


def _draws(x: Tensor) -> bool:
    """Return whether what is dropped of x is drawn here, which under autocast is worth as much."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """`F.dropout`."""
    if not training or probability == 0:
        return x
    return _Dropout.apply(x, probability) if _draws(x) else F.dropout(x, probability)


def attention(q_BHLd: Tensor, k_BHSd: Tensor, v_BHSd: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """`F.scaled_dot_product_attention` with a mask that is True where something is seen; every row sees something."""
    # Under bf16 torch's own takes twice as long there and back, and with dropout it is slower still.
    if not _draws(q_BHLd) or (probability == 0 and not q_BHLd.requires_grad):
        return F.scaled_dot_product_attention(q_BHLd, k_BHSd, v_BHSd, attn_mask=mask, dropout_p=probability)
    scores = (q_BHLd * q_BHLd.shape[-1] ** -0.5) @ k_BHSd.transpose(2, 3)
    if mask is not None:
        scores = scores + torch.where(mask, 0.0, -torch.inf).to(scores.dtype)
    return dropout(scores.softmax(-1), probability, True) @ v_BHSd
