"""Keys and values of the lines that are being spoken, a row for each, and the attention that reads them.

Names of shapes: B rows in use, H heads, d width of a head, S positions that are looked at, L positions of a text, N
blocks of positions, j positions of a block
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from voicemill.gpt_sovits.gpt.cache_rows import BLOCK, CacheRows

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, q, k, v `[B, H, d]`) -> what was read `[B, H, d]`; stores each row's next key and value."""


class Cache(CacheRows):
    """Keys and values as `F.scaled_dot_product_attention` takes them: `[2, B, H, S, d]` for each layer."""

    def __init__(self, layers: int, heads: int, width: int, dtype: torch.dtype, device: torch.device):
        super().__init__(layers, heads, width)
        self.dtype, self.device = dtype, device

    def _zeros(self, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def fill(self, layer: int, row: int, k_HLd: Tensor, v_HLd: Tensor) -> None:
        """Store a line's text and prompt."""
        self.keys[layer][row, :, : k_HLd.shape[1]] = k_HLd
        self.values[layer][row, :, : v_HLd.shape[1]] = v_HLd

    def step(self, length_B: Tensor, end: int, even: int | None) -> Attend:
        """Prepare a step of all layers.

        Args:
            length_B: Filled positions of each row, on the device.
            end: Positions to look at; at least one more than are filled.
            even: The length of all rows where it is the same, and `end` one more.
        """
        rows_B = torch.arange(len(length_B), device=self.device)
        seen = None if even is not None else ~self._hidden(length_B, end).unsqueeze(1)

        def attend(layer: int, q_BHd: Tensor, k_BHd: Tensor, v_BHd: Tensor) -> Tensor:
            keys, values = self.keys[layer], self.values[layer]
            keys[rows_B, :, length_B] = k_BHd
            values[rows_B, :, length_B] = v_BHd
            past = (side[: len(length_B), :, :end] for side in (keys, values))
            return F.scaled_dot_product_attention(q_BHd.unsqueeze(2), *past, attn_mask=seen).squeeze(2)

        return attend

    def _hidden(self, length_B: Tensor, end: int) -> Tensor:
        """Return the positions that a row does not see, `[B, 1, S]`."""
        return (torch.arange(end, device=self.device) > length_B.unsqueeze(1)).unsqueeze(1)


class CpuCache(Cache):
    """The same as a CPU reads it at the speed of memory, which torch's attention with one query a row reaches half of.

    Both halves of attention are weighted sums of rows of a table, which `embedding_bag` computes: scores of a block of
    positions are the block's transposed keys weighted with the query, what is read are values weighted with the scores.
    Keys are therefore kept as `[B, H, N, d, j]`.
    """

    def _key_shape(self, capacity: int) -> tuple[int, ...]:
        return capacity // BLOCK, self.width, BLOCK

    def fill(self, layer: int, row: int, k_HLd: Tensor, v_HLd: Tensor) -> None:
        length = k_HLd.shape[1]
        blocks = -(-length // BLOCK)
        padded = F.pad(k_HLd, (0, 0, 0, blocks * BLOCK - length))
        self.keys[layer][row, :, :blocks] = padded.unflatten(1, (blocks, BLOCK)).transpose(2, 3)
        self.values[layer][row, :, :length] = v_HLd

    def step(self, length_B: Tensor, end: int, even: int | None) -> Attend:
        B, blocks = len(length_B), -(-end // BLOCK)
        lists_L1 = torch.arange(B * self.heads, dtype=torch.int32).unsqueeze(1)
        key_rows = _bags(lists_L1 * (self.capacity // BLOCK * self.width), blocks * self.width, self.width)
        value_rows = _bags(lists_L1 * self.capacity, end, end)
        hidden = None if even is not None else self._hidden(length_B, end)
        # A step writes to places that are easily named where rows are equally long.
        place = (slice(B), even) if even is not None else (torch.arange(B), length_B)

        def attend(layer: int, q_BHd: Tensor, k_BHd: Tensor, v_BHd: Tensor) -> Tensor:
            keys, values = self.keys[layer], self.values[layer]
            rows, position = place
            keys[rows, :, position // BLOCK, :, position % BLOCK] = k_BHd
            values[rows, :, position] = v_BHd
            q_BHNd = (q_BHd * self.width**-0.5).unsqueeze(2).expand(-1, -1, blocks, -1)
            scores = _weighted_sums(keys.view(-1, BLOCK), key_rows, q_BHNd).view(B, self.heads, -1)[..., :end]
            if hidden is not None:
                scores = scores.masked_fill(hidden, -torch.inf)
            read = _weighted_sums(values.view(-1, self.width), value_rows, scores.softmax(-1))
            return read.view(B, self.heads, self.width)

        return attend


Bags = tuple[Tensor, Tensor]
"""Rows of a table, bag after bag, and where in them each bag begins."""


def _bags(first_L1: Tensor, rows: int, size: int) -> Bags:
    """From each first row so many rows, in bags of a size that divides their number."""
    indices = (first_L1 + torch.arange(rows, dtype=torch.int32)).flatten()
    return indices, torch.arange(0, len(indices), size, dtype=torch.int32)


def _weighted_sums(table: Tensor, bags: Bags, weights: Tensor) -> Tensor:
    """For each bag the sum of its rows of the table, each times its weight."""
    return torch.embedding_bag(table, *bags, mode=0, per_sample_weights=weights.reshape(-1))[0]
