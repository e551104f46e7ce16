"""The token model as decoding runs it: packed weights, a key-value cache with a row for each line, CUDA graphs.

Names of shapes: B rows in use, L positions of a pass, H heads, d width of a head, D = H * d
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from voicemill.gpt_sovits.gpt.cache import Cache, CpuCache
from voicemill.gpt_sovits.gpt.cache_rows import BLOCK
from voicemill.gpt_sovits.gpt.model import Gpt, visible
from voicemill.gpt_sovits.gpt.sampling import TorchArrays
from voicemill.gpt_sovits.kernels.linear import KINDS, Linear, Weights

Attend = Callable[[int, Tensor], Tensor]
"""(layer, qkv `[B, L, 3 * D]`) -> what was read `[B, L, D]`; stores keys and values."""


@dataclass
class _Layer:
    qkv: Linear
    out: Linear
    up: Linear
    down: Linear
    norm1: tuple[Tensor, Tensor, float]
    norm2: tuple[Tensor, Tensor, float]


class Decoder:
    """A token model ready to speak.

    Args:
        model: In eval mode, on its device; not to be changed afterwards.
        weights: Form of the weights; all but `plain` take a model in fp32 on the CPU.
        graphs: Record steps as CUDA graphs; None does so on a GPU.
    """

    def __init__(self, model: Gpt, weights: Weights = "plain", graphs: bool | None = None):
        # Without the layers, so that packed weights do not keep the plain ones in memory.
        self.embedding = copy.copy(model)
        self.embedding._modules = {name: part for name, part in model._modules.items() if name != "h"}
        self.config = model.config
        self.device = model.bert_proj.weight.device
        self.dtype = model.bert_proj.weight.dtype
        self.arrays = TorchArrays(self.device)
        self.graphs = self.device.type == "cuda" if graphs is None else graphs
        pack = KINDS[weights]
        self.predict = pack(model.ar_predict_layer.weight, None)
        self.layers = [
            _Layer(
                pack(block.self_attn.in_proj_weight, block.self_attn.in_proj_bias),
                pack(block.self_attn.out_proj.weight, block.self_attn.out_proj.bias),
                pack(block.linear1.weight, block.linear1.bias),
                pack(block.linear2.weight, block.linear2.bias),
                (block.norm1.weight, block.norm1.bias, block.norm1.eps),
                (block.norm2.weight, block.norm2.bias, block.norm2.eps),
            )
            for block in model.h["layers"]  # type: ignore[union-attr]
        ]
        kind, heads = CpuCache if self.device.type == "cpu" else Cache, self.config.head
        self.cache = kind(len(self.layers), heads, self.config.hidden_dim // heads, self.dtype, self.device)
        self.inputs_3B = torch.zeros(3, 0, dtype=torch.long, device=self.device)
        self._recorded: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def with_own_cache(self) -> Self:
        """Return a decoder of the same weights that speaks other lines meanwhile."""
        other = copy.copy(self)
        cache = self.cache
        other.cache = type(cache)(cache.layers, cache.heads, cache.width, cache.dtype, cache.device)
        other.inputs_3B = torch.zeros(3, 0, dtype=torch.long, device=self.device)
        other._recorded = {}
        return other

    def reserve(self, rows: int, positions: int) -> None:
        """Make room in the cache; what is in it stays."""
        if self.cache.reserve(rows, positions):
            self._recorded.clear()
            self.inputs_3B = torch.zeros(3, self.cache.rows, dtype=torch.long, device=self.device)

    def enter(self, row: int, phones_X: np.ndarray, bert_CX: np.ndarray, prompt_Y: np.ndarray) -> Tensor:
        """Read a line's text and prompt into a row of the cache; scores of its first token `[1, V]`."""
        phones_1X, bert_1CX, prompt_1Y = (self.arrays.of(each)[None] for each in (phones_X, bert_CX, prompt_Y))
        text_1XD = self.embedding.embed_text(phones_1X, bert_1CX.to(self.dtype))
        x_1LD = torch.cat([text_1XD, self.embedding.embed_tokens(prompt_1Y)], dim=1)
        sees_LL = visible(len(phones_X), len(prompt_Y), self.device)

        def attend(layer: int, qkv_1LD: Tensor) -> Tensor:
            q_1HLd, k_1HLd, v_1HLd = self._heads(qkv_1LD).permute(2, 0, 3, 1, 4)
            self.cache.fill(layer, row, k_1HLd[0], v_1HLd[0])
            read = F.scaled_dot_product_attention(q_1HLd, k_1HLd, v_1HLd, attn_mask=sees_LL)
            return read.transpose(1, 2).flatten(2)

        return self.predict(self._transform(x_1LD, attend)[:, -1]).float()

    def readings(self, phones_X: Tensor, bert_CX: Tensor, tokens_Y: Tensor) -> Iterator[Tensor]:
        """Read a line that was spoken, and yield what each layer's heads read of the phones at each token `[H, Y, X]`.

        Shares of attention: of a token's row, what is not read of the phones is read of earlier tokens. The cache is
        left as it is.
        """
        X = len(phones_X)
        text_1XD = self.embedding.embed_text(phones_X[None].to(self.device), bert_CX[None].to(self.device, self.dtype))
        x_BLD = torch.cat([text_1XD, self.embedding.embed_tokens(tokens_Y[None].to(self.device))], dim=1)
        sees_LL = visible(X, len(tokens_Y), self.device)
        width = x_BLD.shape[-1:]
        for layer in self.layers:
            q_1HLd, k_1HLd, v_1HLd = self._heads(layer.qkv(x_BLD)).permute(2, 0, 3, 1, 4)
            scores_HLL = (q_1HLd @ k_1HLd.transpose(2, 3))[0].float() / q_1HLd.shape[-1] ** 0.5
            shares_HLL = scores_HLL.masked_fill(~sees_LL, -torch.inf).softmax(-1)
            yield shares_HLL[:, X:, :X]
            read_1LD = (shares_HLL.to(v_1HLd.dtype) @ v_1HLd[0]).transpose(0, 1).flatten(1)[None]
            x_BLD = F.layer_norm(layer.out.add(read_1LD, x_BLD), width, *layer.norm1)
            x_BLD = F.layer_norm(layer.down.add(layer.up.relu(x_BLD), x_BLD), width, *layer.norm2)

    def step(self, tokens: list[int], positions: list[int], lengths: list[int]) -> Tensor:
        """Append a token to each of the first rows.

        Args:
            tokens: The last token of each row.
            positions: Their places among the row's tokens, the prompt's included.
            lengths: How much of each row's cache is filled.

        Returns:
            Scores of the next tokens `[B, V]`.
        """
        rows, end = len(tokens), max(lengths) + 1
        inputs_3B = torch.tensor([tokens, positions, lengths])
        if not self.graphs:
            even = lengths[0] if min(lengths) == max(lengths) else None
            return self._step(inputs_3B.to(self.device), end, even)
        # A graph's shapes are fixed: a power of two of rows (those in excess write to places that nobody reads), and
        # whole blocks of positions.
        padded = min(1 << (rows - 1).bit_length(), self.cache.rows)
        end = min(-(-end // BLOCK) * BLOCK, self.cache.capacity)
        self.inputs_3B.zero_()
        self.inputs_3B[:, :rows].copy_(inputs_3B)
        if (padded, end) not in self._recorded:
            self._recorded[padded, end] = self._record(padded, end)
        graph, logits_BV = self._recorded[padded, end]
        graph.replay()
        return logits_BV[:rows].clone()

    def _record(self, rows: int, end: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Return a graph of one step; running it more than once writes the same into the cache."""
        inputs_3B = self.inputs_3B[:, :rows]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._step(inputs_3B, end, None)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits_BV = self._step(inputs_3B, end, None)
        return graph, logits_BV

    def _step(self, inputs_3B: Tensor, end: int, even: int | None) -> Tensor:
        token_B, position_B, length_B = inputs_3B
        read = self.cache.step(length_B, end, even)

        def attend(layer: int, qkv_B1D: Tensor) -> Tensor:
            q_BHd, k_BHd, v_BHd = self._heads(qkv_B1D)[:, 0].unbind(1)
            return read(layer, q_BHd, k_BHd, v_BHd).reshape(len(qkv_B1D), 1, -1)

        x_B1D = self.embedding.embed_tokens(token_B.unsqueeze(1), position_B.unsqueeze(1))
        return self.predict(self._transform(x_B1D, attend)[:, 0]).float()

    def _heads(self, qkv_BLD: Tensor) -> Tensor:
        """`[B, L, 3 * D]` -> `[B, L, 3, H, d]`."""
        return qkv_BLD.unflatten(2, (3, self.config.head, -1))

    def _transform(self, x_BLD: Tensor, attend: Attend) -> Tensor:
        width = x_BLD.shape[-1:]
        for index, layer in enumerate(self.layers):
            x_BLD = F.layer_norm(layer.out.add(attend(index, layer.qkv(x_BLD)), x_BLD), width, *layer.norm1)
            x_BLD = F.layer_norm(layer.down.add(layer.up.relu(x_BLD), x_BLD), width, *layer.norm2)
        return x_BLD
