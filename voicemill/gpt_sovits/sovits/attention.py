"""Attention of SoVITS's encoders: self-attention that knows relative positions, and content reading the text.

Shapes: B batch, H heads, T query frames, S key frames, C channels, D channels of a head, W = 2 * window + 1 distances.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.layers import ChannelNorm

WINDOW = 4
"""Distances -4..4 have embeddings; farther positions are alike."""
MASKED = -1e4
"""Score of a masked key: finite, so that a row without any key stays a number."""


def _heads(x_BCT: Tensor, heads: int) -> Tensor:
    """`[B, C, T]` -> `[B, H, T, D]`."""
    B, C, T = x_BCT.shape
    return x_BCT.reshape(B, heads, C // heads, T).transpose(2, 3)


def _merge(x_BHTD: Tensor) -> Tensor:
    return x_BHTD.transpose(2, 3).flatten(1, 2)


def band_to_square(band_BHTW: Tensor) -> Tensor:
    """Return values per distance -> values per key: `out[t, s] = band[t, s - t + WINDOW]`, 0 farther away.

    A row of the band, followed by T + 1 zeros less one, lands one column further right in each row of the square.
    """
    B, H, T, W = band_BHTW.shape
    skewed = F.pad(band_BHTW, (0, T)).flatten(2)[..., : T * (T + W - 1)]
    return skewed.view(B, H, T, T + W - 1)[..., W // 2 : W // 2 + T]


def square_to_band(square_BHTT: Tensor) -> Tensor:
    """Return values per key -> values per distance; the reverse of `band_to_square`."""
    B, H, T, _ = square_BHTT.shape
    W = 2 * WINDOW + 1
    flat = F.pad(square_BHTT, (WINDOW, WINDOW)).flatten(2)
    return F.pad(flat, (0, T)).view(B, H, T, T + W)[..., :W]


class _Projections(nn.Module):
    """Query, key, value and output projections."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Conv1d(channels, channels, 1) for _ in range(4))
        for conv in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(conv.weight)


class RelativeAttention(_Projections):
    """Self-attention with embeddings of short distances in keys and values (Shaw et al., 2018), shared by the heads."""

    def __init__(self, channels: int, heads: int, dropout: float):
        super().__init__(channels, heads)
        width = channels // heads
        self.drop = nn.Dropout(dropout)
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor) -> Tensor:
        q, k, v = (_heads(conv(x_BCT), self.heads) for conv in (self.conv_q, self.conv_k, self.conv_v))
        q = q / math.sqrt(q.shape[-1])
        scores_BHTT = q @ k.transpose(2, 3) + band_to_square(q @ self.emb_rel_k.transpose(1, 2))
        visible = mask_B1T.unsqueeze(2) * mask_B1T.unsqueeze(3)
        weights_BHTT = self.drop(scores_BHTT.masked_fill(visible == 0, MASKED).softmax(dim=-1))
        return self.conv_o(_merge(weights_BHTT @ v + square_to_band(weights_BHTT) @ self.emb_rel_v))


class CrossAttention(_Projections):
    """Queries of one sequence over keys and values of another."""

    def forward(self, x_BCT: Tensor, context_BCS: Tensor, context_mask_B1S: Tensor) -> Tensor:
        q = _heads(self.conv_q(x_BCT), self.heads)
        k, v = (_heads(conv(context_BCS), self.heads) for conv in (self.conv_k, self.conv_v))
        bias = torch.zeros_like(context_mask_B1S, dtype=q.dtype).masked_fill(context_mask_B1S == 0, MASKED)
        return self.conv_o(_merge(F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(1))))


class FeedForward(nn.Module):
    """Two convolutions with a ReLU between."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, dropout: float):
        super().__init__()
        padding = ((kernel_size - 1) // 2, kernel_size // 2)
        self.pad = nn.ConstantPad1d(padding, 0.0)
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor) -> Tensor:
        x_BCT = self.drop(torch.relu(self.conv_1(self.pad(x_BCT * mask_B1T))))
        return self.conv_2(self.pad(x_BCT * mask_B1T)) * mask_B1T


class Encoder(nn.Module):
    """Transformer encoder with the norm after each residual sum."""

    def __init__(self, channels: int, filter_channels: int, heads: int, layers: int, kernel_size: int, dropout: float):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.attn_layers = nn.ModuleList(RelativeAttention(channels, heads, dropout) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(
            FeedForward(channels, filter_channels, kernel_size, dropout) for _ in range(layers)
        )
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor) -> Tensor:
        x_BCT = x_BCT * mask_B1T
        layers = zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True)
        for attend, norm_1, feed, norm_2 in layers:
            x_BCT = norm_1(x_BCT + self.drop(attend(x_BCT, mask_B1T)))
            x_BCT = norm_2(x_BCT + self.drop(feed(x_BCT, mask_B1T)))
        return x_BCT * mask_B1T
