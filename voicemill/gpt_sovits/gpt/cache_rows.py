"""Keys and values of the lines that are being spoken, a row for each, by torch or by NumPy alike.

Shapes: B rows, H heads, S positions, d width of a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

BLOCK = 128
"""A cache grows, and a CUDA graph looks back, by multiples of so many positions."""


class CacheRows(ABC):
    """Keys and values, `[B, H, S, d]` for each layer."""

    def __init__(self, layers: int, heads: int, width: int):
        self.layers, self.heads, self.width = layers, heads, width
        self.rows = self.capacity = 0
        self.keys: list[Any] = []
        self.values: list[Any] = []

    @abstractmethod
    def _zeros(self, shape: tuple[int, ...]) -> Any:
        """Return an array or a tensor."""

    def reserve(self, rows: int, positions: int) -> bool:
        """Make room; what is in it stays. Says whether anything changed."""
        if rows <= self.rows and positions <= self.capacity:
            return False
        rows, capacity = max(rows, self.rows), max(-(-positions // BLOCK) * BLOCK, self.capacity)
        for side, shape in ((self.keys, self._key_shape(capacity)), (self.values, (capacity, self.width))):
            for layer in range(self.layers):
                # Zeros, because a masked value takes part in sums, where a NaN would spread.
                grown = self._zeros((rows, self.heads, *shape))
                if self.rows:
                    old = side[layer]
                    grown[: self.rows, :, : old.shape[2]] = old
                    side[layer] = grown
                else:
                    side.append(grown)
        self.rows, self.capacity = rows, capacity
        return True

    def _key_shape(self, capacity: int) -> tuple[int, ...]:
        return capacity, self.width

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        for side in (self.keys, self.values):
            for store in side:
                store[target] = store[source]

    def take(self, rows: list[int]) -> None:
        """Put rows, of which one may come several times, in the place of the first ones."""
        if rows != list(range(len(rows))):
            for side in (self.keys, self.values):
                for store in side:
                    store[: len(rows)] = store[rows]
