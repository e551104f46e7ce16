"""The token graph in the place of `gpt.decoder.Decoder`: the same cache, ONNX Runtime's arithmetic.

Names of shapes: B rows in use, S capacity of the cache, L positions of a pass
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from voicemill.gpt_sovits.gpt.cache_rows import CacheRows
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS, GptConfig
from voicemill.gpt_sovits.onnx.arrays import ARRAYS
from voicemill.gpt_sovits.onnx.session import running, session


class Cache(CacheRows):
    """Keys and values that the graph writes in place."""

    def _zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape, dtype=np.float32)


class OnnxDecoder:
    """A token model that ONNX Runtime runs on the CPU.

    Args:
        graph: What `token_graph` returns, or a file of it.
        config: Sizes of the model.
    """

    arrays = ARRAYS

    def __init__(self, graph: Path | bytes, config: GptConfig):
        self.config = config
        self.session = session(graph)
        self.cache = self._new_cache()
        self._caches = [(f"{side}.{layer}", layer) for layer in range(config.n_layer) for side in ("keys", "values")]

    def _new_cache(self) -> Cache:
        return Cache(self.config.n_layer, self.config.head, self.config.hidden_dim // self.config.head)

    def with_own_cache(self) -> Self:
        """Return a decoder of the same session that speaks other lines meanwhile."""
        other = copy.copy(self)
        other.cache = self._new_cache()
        return other

    def reserve(self, rows: int, positions: int) -> None:
        """Make room in the cache; what is in it stays."""
        self.cache.reserve(rows, positions)

    def enter(self, row: int, phones_X: np.ndarray, bert_CX: np.ndarray, prompt_Y: np.ndarray) -> np.ndarray:
        """Read a line's text and prompt into a row of the cache; scores of its first token `[1, V]`."""
        X, Y = len(phones_X), len(prompt_Y)
        visible_11LS = np.zeros((1, 1, X + Y, self.cache.capacity), dtype=bool)
        visible_11LS[0, 0, :, : X + Y] = _visible(X, Y)
        inputs = {
            "phones": np.ascontiguousarray(phones_X, dtype=np.int64)[None],
            "bert": np.ascontiguousarray(bert_CX, dtype=np.float32)[None],
            "tokens": np.ascontiguousarray(prompt_Y, dtype=np.int64)[None],
            "token_positions": np.arange(Y)[None],
            "written": np.zeros(1, dtype=np.int64),
            "visible": visible_11LS,
        }
        return self._run(inputs, slice(row, row + 1))

    def step(self, tokens: list[int], positions: list[int], lengths: list[int]) -> np.ndarray:
        """Append a token to each of the first rows; see `Decoder.step`."""
        B = len(tokens)
        columns_S = np.arange(self.cache.capacity)
        inputs = {
            "phones": np.zeros((B, 0), dtype=np.int64),
            "bert": np.zeros((B, BERT_CHANNELS, 0), dtype=np.float32),
            "tokens": np.array(tokens, dtype=np.int64)[:, None],
            "token_positions": np.array(positions, dtype=np.int64)[:, None],
            "written": np.array(lengths, dtype=np.int64),
            "visible": (columns_S <= np.array(lengths)[:, None])[:, None, None],
        }
        return self._run(inputs, slice(0, B))

    def _run(self, inputs: Mapping[str, np.ndarray], rows: slice) -> np.ndarray:
        """Run the graph on some rows of the cache, which it writes in place."""
        scores_BV = np.empty((rows.stop - rows.start, self.config.vocab_size), dtype=np.float32)
        with running("tokens.onnx"):
            binding = self.session.io_binding()
            for name, value in inputs.items():
                binding.bind_cpu_input(name, value)
            for name, layer in self._caches:
                store = (self.cache.keys if name.startswith("keys") else self.cache.values)[layer][rows]
                place = ("cpu", 0, np.float32, store.shape, store.ctypes.data)
                binding.bind_input(name, *place)
                binding.bind_output(f"new_{name}", *place)
            binding.bind_output("scores", "cpu", 0, np.float32, scores_BV.shape, scores_BV.ctypes.data)
            self.session.run_with_iobinding(binding)
        return scores_BV


def _visible(X: int, Y: int) -> np.ndarray:
    """Return what sees what, `[L, L]`: phonemes see phonemes, tokens see phonemes, themselves and earlier tokens."""
    column_L = np.arange(X + Y)
    row_L1 = column_L[:, None]
    return (column_L < X) | ((column_L <= row_L1) & (row_L1 >= X))
