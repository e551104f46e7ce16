"""ScaledAdam: Adam whose step is scaled by the size of each tensor, and which learns that size separately.

From icefall's recipes (Yao et al. 2024, "Zipformer", section 3.5), as the reference runs it for the token model
(`AR/modules/optim.py`): tensors of one shape are stacked and updated together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class ScaledAdam(Optimizer):
    """ScaledAdam with the reference's arithmetic.

    The gradient clipping of the reference reaches only the statistics that tensor sizes are learned from; the update
    itself reads the unclipped gradient (with a normalised update, clipping would change little). Public recipes were
    tuned with that, so it stays.

    Args:
        params: Parameters; one group of settings serves all.
        lr: Learning rate.
        betas: Decay of the step's momentum and of the squared gradient.
        clipping_scale: Gradients above this many times the median norm are clipped in the size statistics.
        clipping_update_period: Steps between two estimates of that median.
        scalar_lr_scale: Learning rate of sizes and of single numbers, relative to `lr`.
        eps: Keeps denominators from zero.
        min_rms: A tensor's size is not made smaller below this root mean square.
        max_rms: A tensor's size is made smaller above this root mean square.
        scalar_max: Largest magnitude of single numbers.
        size_update_period: Steps between two updates of the sizes.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
        clipping_scale: float = 2.0,
        clipping_update_period: int = 1000,
        scalar_lr_scale: float = 0.1,
        eps: float = 1e-8,
        min_rms: float = 1e-5,
        max_rms: float = 3.0,
        scalar_max: float = 10.0,
        size_update_period: int = 4,
    ):
        defaults = {
            "lr": lr,
            "betas": betas,
            "clipping_scale": clipping_scale,
            "clipping_update_period": clipping_update_period,
            "scalar_lr_scale": scalar_lr_scale,
            "eps": eps,
            "min_rms": min_rms,
            "max_rms": max_rms,
            "scalar_max": scalar_max,
            "size_update_period": size_update_period,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters; one without a gradient counts as having a gradient of zero."""
        for group in self.param_groups:
            stacks = defaultdict(list)
            for parameter in group["params"]:
                stacks[(str(parameter.dtype), *parameter.shape)].append(parameter)
            # Sorted, because the state of the whole optimizer (the norms) lives with the first stack.
            batches = [(self.state[stack[0]], stack) for _, stack in sorted(stacks.items())]
            stacked = [torch.stack(list(stack)) for _, stack in batches]
            gradients = [
                torch.stack([torch.zeros_like(p) if p.grad is None else p.grad for p in stack]) for _, stack in batches
            ]
            clip = self._clip(group, [state for state, _ in batches], gradients)
            for (state, stack), p, gradient in zip(batches, stacked, gradients, strict=True):
                if not state:
                    _start(group, state, p)
                _update(group, state, p, gradient, clip)
                for parameter, updated in zip(stack, p, strict=True):
                    parameter.copy_(updated)

    def _clip(self, group: dict[str, Any], states: list[dict[str, Any]], gradients: list[Tensor]) -> Tensor | float:
        """Factor at most 1 that brings the whole gradient, in units of the tensors' sizes, below its usual norm."""
        first = states[0]
        step, period = first.get("step", 0), group["clipping_update_period"]
        if step == 0:
            return 1.0
        norm = (
            torch.stack(
                [
                    (gradient * state["rms"] if gradient[0].numel() > 1 else gradient).square().sum()
                    for state, gradient in zip(states, gradients, strict=True)
                ]
            )
            .sum()
            .sqrt()
        )
        if "norms" not in first:
            first["norms"] = torch.zeros(period, device=norm.device)
        first["norms"][step % period] = norm
        if step % period == 0:
            median = first["norms"].sort().values[min(period - 1, period // 4 * 2)]
            first["threshold"] = group["clipping_scale"] * median
        if "threshold" not in first:
            return 1.0
        return (first["threshold"] / (norm + 1e-20)).clamp(max=1.0)


def _start(group: dict[str, Any], state: dict[str, Any], p: Tensor) -> None:
    state["step"] = 0
    state["delta"] = torch.zeros_like(p)
    state["square"] = torch.zeros_like(p)
    if p[0].numel() > 1:
        state["rms"] = _rms(p)
        state["size_square"] = torch.zeros_like(state["rms"])
        state["size_gradients"] = p.new_zeros(group["size_update_period"], *state["rms"].shape)


def _rms(p: Tensor) -> Tensor:
    """Root mean square of each tensor of a stack, `[N, 1, ...]`."""
    return p.square().mean(dim=tuple(range(1, p.ndim)), keepdim=True).sqrt()


def _update(group: dict[str, Any], state: dict[str, Any], p: Tensor, gradient: Tensor, clip: Tensor | float) -> None:
    """Update a stack of equally shaped tensors in place."""
    beta1, beta2 = group["betas"]
    step, delta = state["step"], state["delta"]
    delta.mul_(beta1)
    scalars = p[0].numel() == 1
    if not scalars:
        period = group["size_update_period"]
        along = (p * (gradient * clip)).sum(dim=tuple(range(1, p.ndim)), keepdim=True)
        state["size_gradients"][step % period] = along
        if step % period == period - 1:
            state["rms"].copy_(_rms(p))
            _resize(group, state, p)

    square = state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    correction = 1 - beta2 ** (step + 1)
    if scalars:
        denominator = (square / correction).sqrt() + group["eps"]
        rate = group["lr"] * group["scalar_lr_scale"]
        delta.add_(gradient / denominator, alpha=-rate * (1 - beta1))
        p.clamp_(-group["scalar_max"], group["scalar_max"])
    else:
        if correction < 0.99:
            square = square * (1.0 / correction)
        rate = -group["lr"] * (1 - beta1) * state["rms"].clamp(min=group["min_rms"])
        delta.add_(gradient / (square.sqrt() + group["eps"]) * rate)
    p.add_(delta)
    state["step"] = step + 1


def _resize(group: dict[str, Any], state: dict[str, Any], p: Tensor) -> None:
    """Grow or shrink whole tensors: gradient descent on the logarithm of their size, through the momentum."""
    beta1, beta2 = group["betas"]
    gradients = state["size_gradients"]
    period = len(gradients)
    decay = beta2**period
    square = state["size_square"].mul_(decay).add_(gradients.square().mean(dim=0), alpha=1 - decay)
    rate = group["lr"] * group["scalar_lr_scale"]
    correction = (1 - decay ** ((state["step"] + 1) // period)) ** 0.5
    scale = -rate * correction * gradients.sum(dim=0) / (square.sqrt() + group["eps"])
    scale = scale.masked_fill(state["rms"] < group["min_rms"], 0.0)
    scale = scale.masked_fill(state["rms"] > group["max_rms"], -rate * period)
    state["delta"].add_(p * scale, alpha=1 - beta1)
