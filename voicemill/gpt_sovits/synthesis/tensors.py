"""Rows of different lengths as one tensor."""

from __future__ import annotations

import torch
from torch import Tensor


def padded(rows: list[Tensor]) -> Tensor:
    """Return the rows of different lengths as one tensor, zeros after the shorter ones."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
