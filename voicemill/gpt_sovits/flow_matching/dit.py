"""The diffusion transformer that tells in which direction noise has to change to become speech.

F5-TTS's (Chen et al., 2024) as GPT-SoVITS v3 and v4 have it: what is said comes as frames of features, not as letters,
and the size of the step is an input beside the time (shortcut models, Frans et al., 2024). Attribute names are those of
the reference's checkpoints.

Shapes: B batch, T mel frames, M mel bands (100), C features, D model width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.kernels.cpu import Linear
from voicemill.gpt_sovits.sovits.layers import named

BANDS = 100
HEAD_CHANNELS = 64
DROPOUT = 0.1
_PREFIX = "cfm.estimator."
_MOST_POSITIONS = 4096
_TIME_CHANNELS = 256
_MOST_LAYERS = 96


@dataclass(frozen=True)
class DitSizes:
    """Sizes of the transformer; the defaults are the published ones. No configuration states them.

    Attributes:
        width: Width of a frame.
        layers: Transformer blocks.
        heads: Attention heads of 64 channels.
        inner: Width inside the feed-forward layers.
        features: Width of what is said, before the transformer.
        feature_layers: Layers of the WaveNet that makes it.
        text_layers: Convolution blocks over it.
    """

    width: int = 1024
    layers: int = 22
    heads: int = 16
    inner: int = 2048
    features: int = 512
    feature_layers: int = 8
    text_layers: int = 4

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> DitSizes:
        """Return the sizes that a checkpoint's weights have.

        Raises:
            InputError: It has no such transformer, or one of impossible size.
        """
        first = f"{_PREFIX}transformer_blocks.0."
        try:
            width = weights[f"{_PREFIX}proj_out.weight"].shape[1]
            heads, rest = divmod(weights[f"{first}attn.to_q.weight"].shape[0], HEAD_CHANNELS)
            inner = weights[f"{first}ff.ff.0.0.weight"].shape[0]
            features = weights["bridge.0.weight"].shape[0]
        except (KeyError, IndexError) as error:
            raise InputError("it has no diffusion transformer: it is not a SoVITS v3 or v4 model") from error
        layers = numbered(weights, f"{_PREFIX}transformer_blocks.")
        text_layers = numbered(weights, f"{_PREFIX}text_embed.text_blocks.")
        feature_layers = numbered(weights, "wns1.enc.in_layers.")
        sizes = cls(width, layers, heads, inner, features, feature_layers, text_layers)
        if rest or not heads or not 0 < max(layers, text_layers, feature_layers) <= _MOST_LAYERS or width % 16:
            raise InputError(f"its diffusion transformer has impossible sizes: {sizes}")
        return sizes


def numbered(weights: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many layers are numbered below a prefix."""
    numbers = {key.removeprefix(prefix).split(".", 1)[0] for key in weights if key.startswith(prefix)}
    return len(numbers)


class TimeEmbedding(nn.Module):
    """A time in [0, 1] as sines and cosines, then through two layers."""

    def __init__(self, width: int):
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(_TIME_CHANNELS, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time_B: Tensor) -> Tensor:
        """Embedding `[B, D]`."""
        half = _TIME_CHANNELS // 2
        rates = torch.exp(torch.arange(half, device=time_B.device).float() * (-math.log(10_000) / (half - 1)))
        angles = 1000 * time_B.float().unsqueeze(1) * rates
        return self.time_mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))


class ResponseNorm(nn.Module):
    """Global response normalization over time: channels compete (ConvNeXt V2, Woo et al., 2023)."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x_BTC: Tensor, mask_BT1: Tensor | None) -> Tensor:
        heard = x_BTC if mask_BT1 is None else x_BTC * mask_BT1
        strength = torch.norm(heard, p=2, dim=1, keepdim=True)
        return self.gamma * (x_BTC * (strength / (strength.mean(-1, keepdim=True) + 1e-6))) + self.beta + x_BTC


class FeatureBlock(nn.Module):
    """A ConvNeXt V2 block: a convolution along time for each channel, then two layers across channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 2 * channels)
        self.grn = ResponseNorm(2 * channels)
        self.pwconv2 = nn.Linear(2 * channels, channels)

    def forward(self, x_BTC: Tensor, mask_BT1: Tensor | None) -> Tensor:
        heard = x_BTC if mask_BT1 is None else x_BTC * mask_BT1
        hidden = self.norm(self.dwconv(heard.transpose(1, 2)).transpose(1, 2))
        return x_BTC + self.pwconv2(self.grn(F.gelu(self.pwconv1(hidden)), mask_BT1))


class FeatureEmbedding(nn.Module):
    """Features with their places in time, and what stands around them."""

    def __init__(self, channels: int, layers: int):
        super().__init__()
        self.text_blocks = nn.Sequential(*(FeatureBlock(channels) for _ in range(layers)))

    def forward(self, features_BTC: Tensor, mask_BT1: Tensor | None) -> Tensor:
        x_BTC = features_BTC + _positions(features_BTC)
        for block in self.text_blocks:
            x_BTC = block(x_BTC, mask_BT1)
        return x_BTC


def _positions(x_BTC: Tensor) -> Tensor:
    """Cosines and sines of the frames' numbers, `[T, C]`."""
    T, C = x_BTC.shape[1:]
    rates = 1 / 10_000 ** (torch.arange(0, C, 2, device=x_BTC.device).float() / C)
    angles = torch.outer(torch.arange(T, device=x_BTC.device).clamp(max=_MOST_POSITIONS - 1), rates).float()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class InputEmbedding(nn.Module):
    """Noisy mel, prompt mel and features as one frame, and convolutions that tell where in the line it stands."""

    def __init__(self, width: int, features: int):
        super().__init__()
        self.proj = nn.Linear(2 * BANDS + features, width)

        def convolution() -> nn.Conv1d:
            return nn.Conv1d(width, width, 31, groups=16, padding=15)

        self.conv_pos_embed = named(conv1d=nn.Sequential(convolution(), nn.Mish(), convolution(), nn.Mish()))

    def forward(self, x_BTM: Tensor, prompt_BTM: Tensor, features_BTC: Tensor, mask_BT1: Tensor | None) -> Tensor:
        x_BTD = self.proj(torch.cat([x_BTM, prompt_BTM, features_BTC], dim=-1))
        placed_BDT = x_BTD.transpose(1, 2)
        for layer in cast(nn.Sequential, self.conv_pos_embed.conv1d):
            # A convolution must not hear what an item is padded with.
            if mask_BT1 is not None and isinstance(layer, nn.Conv1d):
                placed_BDT = placed_BDT * mask_BT1.transpose(1, 2)
            placed_BDT = layer(placed_BDT)
        return placed_BDT.transpose(1, 2) + x_BTD


class Rotation(nn.Module):
    """Rotary positions (Su et al., 2021) of the first 64 channels, neighbours in pairs.

    The reference rotates before it splits into heads, so that only the first head knows places; the published weights
    expect it.
    """

    inv_freq: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("inv_freq", 1 / 10_000 ** (torch.arange(0, HEAD_CHANNELS, 2).float() / HEAD_CHANNELS))

    def forward(self, frames: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines `[T, 64]`."""
        angles = torch.outer(torch.arange(frames, device=self.inv_freq.device).float(), self.inv_freq.float())
        angles = angles.repeat_interleave(2, dim=-1)
        return angles.cos(), angles.sin()


def _rotated(x_BTD: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotation
    first, rest = x_BTD[..., :HEAD_CHANNELS], x_BTD[..., HEAD_CHANNELS:]
    even, odd = first.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack([-odd, even], dim=-1).flatten(-2)
    return torch.cat([(first * cosine + turned * sine).to(x_BTD.dtype), rest], dim=-1)


class Attention(nn.Module):
    """Self-attention over frames."""

    to_q: nn.Linear
    to_k: nn.Linear
    to_v: nn.Linear

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (Linear(width, HEAD_CHANNELS * heads) for _ in range(3))
        self.to_out = nn.ModuleList([Linear(HEAD_CHANNELS * heads, width), nn.Dropout(DROPOUT)])

    def forward(self, x_BTD: Tensor, mask_BT: Tensor | None, rotation: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = self.to_q(x_BTD), self.to_k(x_BTD), self.to_v(x_BTD)
        q, k = _rotated(q, rotation), _rotated(k, rotation)
        q, k, v = (x.unflatten(2, (self.heads, HEAD_CHANNELS)).transpose(1, 2) for x in (q, k, v))
        visible = None if mask_BT is None else mask_BT[:, None, None]
        read_BTD = F.scaled_dot_product_attention(q, k, v, attn_mask=visible).transpose(1, 2).flatten(2)
        for layer in self.to_out:
            read_BTD = layer(read_BTD)
        return read_BTD if mask_BT is None else read_BTD * mask_BT.unsqueeze(-1)


class Block(nn.Module):
    """Attention and feed-forward layers, whose norms take shift, scale and gate from the time."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.attn_norm = named(linear=nn.Linear(width, 6 * width))
        self.attn = Attention(width, heads)
        first = nn.Sequential(Linear(width, inner), nn.GELU(approximate="tanh"))
        self.ff = named(ff=nn.Sequential(first, nn.Dropout(DROPOUT), Linear(inner, width)))

    def forward(
        self, x_BTD: Tensor, time_BD: Tensor, mask_BT: Tensor | None, rotation: tuple[Tensor, Tensor]
    ) -> Tensor:
        shift, scale, gate, shift_ff, scale_ff, gate_ff = (
            part.unsqueeze(1) for part in self.attn_norm(F.silu(time_BD)).chunk(6, dim=1)
        )
        x_BTD = x_BTD + gate * self.attn(_normed(x_BTD) * (1 + scale) + shift, mask_BT, rotation)
        return x_BTD + gate_ff * self.ff(_normed(x_BTD) * (1 + scale_ff) + shift_ff)


def _normed(x_BTD: Tensor) -> Tensor:
    return F.layer_norm(x_BTD, x_BTD.shape[-1:], eps=1e-6)


class Dit(nn.Module):
    """Noise, prompt, features and time to a velocity."""

    def __init__(self, sizes: DitSizes):
        super().__init__()
        self.time_embed, self.d_embed = TimeEmbedding(sizes.width), TimeEmbedding(sizes.width)
        self.text_embed = FeatureEmbedding(sizes.features, sizes.text_layers)
        self.input_embed = InputEmbedding(sizes.width, sizes.features)
        self.rotary_embed = Rotation()
        self.transformer_blocks = nn.ModuleList(
            Block(sizes.width, sizes.heads, sizes.inner) for _ in range(sizes.layers)
        )
        self.norm_out = named(linear=nn.Linear(sizes.width, 2 * sizes.width))
        self.proj_out = nn.Linear(sizes.width, BANDS)

    def embed_features(self, features_BCT: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Return features as `forward` takes them, `[B, T, C]`; they are the same in every step.

        Args:
            mask_BT: Frames of each item, where each is to be drawn as it is alone.
        """
        return self.text_embed(features_BCT.transpose(1, 2), _column(mask_BT, features_BCT))

    def forward(
        self,
        x_BMT: Tensor,
        prompt_BMT: Tensor,
        embedded_BTC: Tensor,
        time_BD: Tensor,
        mask_BT: Tensor | None = None,
        *,
        alone: bool = False,
    ) -> Tensor:
        """Return the velocity `[B, M, T]`.

        Args:
            x_BMT: What is noise at time 0 and mel at time 1.
            prompt_BMT: Mel of the frames that are known, 0 elsewhere.
            embedded_BTC: From `embed_features`.
            time_BD: Sum of the embeddings of time and step size.
            mask_BT: Frames of each item, which are all that it attends to.
            alone: Keep the convolutions, too, from hearing what is after an item's end. Without, an item depends on its
                padding, as in the reference.
        """
        x_BTD = self.input_embed(
            x_BMT.transpose(1, 2),
            prompt_BMT.transpose(1, 2),
            embedded_BTC,
            _column(mask_BT, x_BMT) if alone else None,
        )
        rotation = self.rotary_embed(x_BMT.shape[-1])
        for block in self.transformer_blocks:
            x_BTD = block(x_BTD, time_BD, mask_BT, rotation)
        scale, shift = (part.unsqueeze(1) for part in self.norm_out(F.silu(time_BD)).chunk(2, dim=1))
        return self.proj_out(_normed(x_BTD) * (1 + scale) + shift).transpose(1, 2)


def _column(mask_BT: Tensor | None, like: Tensor) -> Tensor | None:
    return None if mask_BT is None else mask_BT.unsqueeze(-1).to(like.dtype)
