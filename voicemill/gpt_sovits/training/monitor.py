"""What keeps a training run honest: clips that it never learns from, an eye on its losses, and when to stop."""

from __future__ import annotations

import functools
import hashlib
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

FEWEST_TO_SPLIT = 10
"""With fewer clips every one is needed for training."""
MOST_HELD_OUT = 8
REMEMBERED = 50
"""Losses that a step's is compared with."""
SPIKE = 5.0
"""So many times the median loss is a spike."""
SPIKES_IN_A_ROW = 3
"""One strange batch may pass; a model that has left its minimum does not come back."""


class Diverged(Exception):
    """A loss, a gradient or a weight became NaN or infinite, or the loss has left the range it had."""


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def hold_out(items: Sequence[T], share: float) -> tuple[list[T], list[T]]:
    """Part items for training from items for validation.

    The names decide, so that both models hold out the same clips, and a run that goes on the ones it held out before.

    Args:
        items: Each clip once.
        share: Share to hold out, at least one clip and at most `MOST_HELD_OUT`; none of few clips, or if it is 0.

    Returns:
        Items to train on and items held out, each in the order they had.
    """
    if share <= 0 or len(items) < FEWEST_TO_SPLIT:
        return list(items), []
    count = max(1, min(MOST_HELD_OUT, round(share * len(items))))
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.name.encode()).digest())
    names = {item.name for item in ranked[:count]}
    return [item for item in items if item.name not in names], [item for item in items if item.name in names]


@dataclass
class Watch:
    """Looks at losses; everything that it remembers belongs to the run's state.

    Attributes:
        patience: Epochs without a better validation loss after which the run ends; 0 never ends it.
        losses: Of the last steps, spikes left out.
        spikes: Steps in a row up to this one whose loss was a spike.
        best: Lowest validation loss.
        best_epoch: Epoch of it; 0 before the first.
        epoch: The last epoch that was looked at.
    """

    patience: int = 0
    losses: list[float] = field(default_factory=list)
    spikes: int = 0
    best: float = float("inf")
    best_epoch: int = 0
    epoch: int = 0

    def see_step(self, loss: float) -> None:
        """Look at a step's loss.

        Raises:
            Diverged: When it is the last of a row of spikes.
        """
        median = statistics.median(self.losses) if len(self.losses) >= 10 else float("inf")
        if loss <= SPIKE * median:
            self.losses = [*self.losses, loss][-REMEMBERED:]
            self.spikes = 0
            return
        self.spikes += 1
        if self.spikes == SPIKES_IN_A_ROW:
            raise Diverged(f"the loss rose to {loss:.4g} from a typical {median:.4g} and stayed there")

    def see_epoch(self, epoch: int, loss: float) -> bool:
        """Look at an epoch's validation loss; says whether it is the best so far."""
        self.epoch = epoch
        if loss >= self.best:
            return False
        self.best, self.best_epoch = loss, epoch
        return True

    @property
    def ends(self) -> bool:
        """Whether the run has waited long enough for a better epoch."""
        return 0 < self.patience <= self.epoch - self.best_epoch

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "patience"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def recompute(modules: Iterable[nn.Module]) -> None:
    """Keep only these modules' inputs for the way back, and compute their insides again there.

    Takes about a third more time and a fraction of the memory (gradient checkpointing, Chen et al. 2016); what is
    learnt is the same, dropout included.
    """
    for module in modules:
        module.forward = functools.partial(_recomputed, module.forward)


def _recomputed(forward: Callable, *inputs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False)


def be_deterministic() -> None:
    """Let the same run give the same weights on the same GPU, bit for bit; slower there, no different on a CPU."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def peak_memory(device: torch.device) -> float:
    """Most memory that was taken so far, in GiB: of the GPU by tensors, or of the host by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
