"""From scores to a token: repetition penalty, nucleus, temperature, top k, draw (the reference's `AR/models/utils.py`).

The order matters and is the reference's: the nucleus is taken before the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are the reference's.

    Attributes:
        num_beams: More than 1 looks for the likeliest whole line among so many beginnings at a time, and draws nothing;
            of the others only the repetition penalty then matters.
    """

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    num_beams: int = 1

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], not {self.top_p}")
        if self.temperature < 0:
            raise ValueError(f"temperature must not be negative, not {self.temperature}")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty must be positive, not {self.repetition_penalty}")
        if self.num_beams < 1:
            raise ValueError(f"num_beams must be at least 1, not {self.num_beams}")


def penalise(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """Make tokens that were already spoken less likely, each once however often it was spoken (Keskar et al. 2019)."""
    if penalty == 1.0:
        return logits_BV
    lowered_BV = torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)
    return torch.where(seen_BV, lowered_BV, logits_BV)


def probabilities(
    logits_BV: Tensor, *, top_k: int | None = None, top_p: float | None = None, temperature: float = 1.0
) -> Tensor:
    """Return the distribution to draw from.

    Args:
        logits_BV: Scores, already penalised.
        top_k: Keep this many tokens (and those that tie with the last); None or anything below 1 keeps all.
        top_p: Keep the most likely tokens whose probabilities, their own included, add up to at most this; the first
            is always kept (Holtzman et al. 2020).
        temperature: Divides the scores; below 1e-5 counts as 1e-5.
    """
    if top_p is not None and top_p < 1.0:
        sorted_BV, order_BV = logits_BV.sort(descending=True)
        drop_BV = sorted_BV.softmax(-1).cumsum(-1) > top_p
        drop_BV[:, 0] = False
        logits_BV = logits_BV.masked_fill(drop_BV.scatter(1, order_BV, drop_BV), -torch.inf)
    logits_BV = logits_BV / max(temperature, 1e-5)
    if top_k is not None and 0 < top_k < logits_BV.shape[-1]:
        least_B1 = logits_BV.topk(top_k).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < least_B1, -torch.inf)
    return logits_BV.softmax(-1)


def draw(probs_BV: Tensor, exponential_BV: Tensor) -> Tensor:
    """Draw a token of each row `[B]`, given noise of the exponential distribution with mean 1.

    The smallest of independent waiting times with rates p is the k-th with probability p_k (the exponential form of the
    Gumbel-max trick).
    """
    return (probs_BV / exponential_BV).argmax(-1)


class RowNoise:
    """Exponential noise for rows that each have a seed of their own.

    A row's noise depends on its seed and step only: neither on its neighbours in the batch nor on the device, since it
    is always drawn on the CPU, a block of steps at a time.
    """

    BLOCK = 32

    def __init__(self, rows: int, vocabulary: int, device: torch.device):
        self.generators = [torch.Generator() for _ in range(rows)]
        self.blocks_BTV = torch.empty(rows, self.BLOCK, vocabulary, device=device)

    def enter(self, row: int, seed: int) -> None:
        """Begin a row anew."""
        self.generators[row] = torch.Generator().manual_seed(seed)

    def step(self, steps: dict[int, int]) -> Tensor:
        """Noise `[R, V]` of some rows, each at its own step; a row's steps are asked for in order."""
        for row, step in steps.items():
            if step % self.BLOCK == 0:
                block_TV = torch.empty(self.blocks_BTV.shape[1:]).exponential_(1.0, generator=self.generators[row])
                self.blocks_BTV[row] = block_TV.clamp_min_(1e-20)
        rows_R, places_R = torch.tensor([list(steps), [step % self.BLOCK for step in steps.values()]])
        return self.blocks_BTV[rows_R.to(self.blocks_BTV.device), places_R.to(self.blocks_BTV.device)]

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        self.generators[target] = self.generators[source]
        self.blocks_BTV[target] = self.blocks_BTV[source]
