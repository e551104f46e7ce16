"""Tokens are chosen by torch: nucleus, temperature, top k (the reference's `AR/models/utils.py`).

The order matters and is the reference's: the nucleus is taken before the temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

KINDS = {bool: torch.bool, int: torch.long, float: torch.float32}


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


class TorchArrays:
    """`choosing.Arrays` of torch on a device."""

    def __init__(self, device: torch.device):
        self.device = device

    def inference(self) -> AbstractContextManager:
        return torch.inference_mode()

    def zeros(self, shape: tuple[int, ...], kind: type) -> Tensor:
        return torch.zeros(shape, dtype=KINDS[kind], device=self.device)

    def of(self, values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(self.device)

    def joined(self, rows: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(rows))

    def where(self, condition: Tensor, first: Any, second: Any) -> Tensor:
        return torch.where(condition, first, second)

    def probabilities(self, scores_RV: Tensor, *, top_k: int, top_p: float, temperature: float) -> Tensor:
        return probabilities(scores_RV, top_k=top_k, top_p=top_p, temperature=temperature)

    def picked(self, table: Tensor, rows: Sequence[int], places: Sequence[int]) -> Tensor:
        rows_R, places_R = torch.tensor([rows, places]).to(self.device)
        return table[rows_R, places_R]

    def log_softmax(self, scores_RV: Tensor) -> Tensor:
        return scores_RV.log_softmax(-1)

    def best(self, scores: Tensor, count: int) -> tuple[list[float], list[int]]:
        found = scores.flatten().topk(min(count, scores.numel()))
        return found.values.tolist(), found.indices.tolist()
