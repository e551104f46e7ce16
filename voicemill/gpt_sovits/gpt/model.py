"""The token model: a post-norm transformer in which phonemes see each other and tokens see phonemes and earlier tokens.

Names of shapes:
    B items of a batch, X phonemes, Y semantic tokens, S = X + Y positions, D model width, H heads, V token vocabulary,
    C = 1024 BERT channels, L positions

Attribute names are the reference's (`AR/models/t2s_model.py`), so its `state_dict` loads as it is.
Phonemes stand at the right edge of their X positions (padding on the left): the last phoneme is next to the first
token, whose prediction is read there, in training as in decoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS, GptConfig
from voicemill.gpt_sovits.kernels import cpu
from voicemill.gpt_sovits.uninitialized import Uninitialized


class Embedding(nn.Module):
    """A table of vectors with dropout; a module of its own for the sake of the key `*.word_embeddings.weight`."""

    def __init__(self, size: int, width: int, dropout: float):
        super().__init__()
        self.word_embeddings = nn.Embedding(size, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, index: Tensor) -> Tensor:
        return self.dropout(self.word_embeddings(index))


class Position(nn.Module):
    """Sine position codes with one learned factor (Vaswani et al. 2017, section 3.5)."""

    rate_F: Tensor

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(dropout)
        rate_F = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(10000.0) / width))
        self.register_buffer("rate_F", rate_F, persistent=False)

    def forward(self, x_BLD: Tensor, position_BL: Tensor) -> Tensor:
        """Add the codes of the given positions (integers; `[1, L]` serves every item)."""
        angle_BLF = position_BL.unsqueeze(-1).float() * self.rate_F.float()
        code_BLD = torch.stack([angle_BLF.sin(), angle_BLF.cos()], dim=-1).flatten(-2)
        return self.dropout(x_BLD + self.alpha * code_BLD.to(x_BLD.dtype))


class Attention(nn.Module):
    """Multi-head self-attention, fused."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x_BLD: Tensor, mask: Tensor | None) -> Tensor:
        B, L, D = x_BLD.shape
        qkv = cpu.linear(x_BLD, self.in_proj_weight, self.in_proj_bias).view(B, L, 3, self.heads, D // self.heads)
        q_BHLd, k_BHLd, v_BHLd = qkv.permute(2, 0, 3, 1, 4)
        y_BHLd = cpu.attention(q_BHLd, k_BHLd, v_BHLd, mask, self.dropout if self.training else 0.0)
        return cpu.linear(y_BHLd.transpose(1, 2).reshape(B, L, D), self.out_proj.weight, self.out_proj.bias)

    def first_head(self, x_BLD: Tensor, mask: Tensor, rows: slice) -> Tensor:
        """Log of what the first head's queries in some rows read of each position, `[B, rows, S]`."""
        D, d = x_BLD.shape[-1], x_BLD.shape[-1] // self.heads
        (q, k), (q_bias, k_bias) = ((part[:d], part[D : D + d]) for part in (self.in_proj_weight, self.in_proj_bias))
        scores_BLS = F.linear(x_BLD[:, rows], q, q_bias) @ F.linear(x_BLD, k, k_bias).transpose(1, 2) / math.sqrt(d)
        return scores_BLS.float().masked_fill(~mask[:, 0, rows], -math.inf).log_softmax(-1)


class Block(nn.Module):
    """One transformer layer: attention and feed-forward, each added to its input and then normalised."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, x_BLD: Tensor, mask: Tensor | None) -> Tensor:
        x_BLD = self.norm1(x_BLD + self._drop(self.self_attn(x_BLD, mask)))
        hidden_BLD = F.relu(cpu.linear(x_BLD, self.linear1.weight, self.linear1.bias))
        hidden_BLD = cpu.linear(self._drop(hidden_BLD), self.linear2.weight, self.linear2.bias)
        return self.norm2(x_BLD + self._drop(hidden_BLD))

    def _drop(self, x: Tensor) -> Tensor:
        return cpu.dropout(x, self.dropout, self.training)


class Gpt(nn.Module):
    """Phonemes, their BERT rows and earlier tokens in, scores of the next token out."""

    DROPOUT = 0.1

    def __init__(self, config: GptConfig):
        super().__init__()
        self.config = config
        width = config.hidden_dim
        self.bert_proj = nn.Linear(BERT_CHANNELS, width)
        self.ar_text_embedding = Embedding(config.phoneme_vocab_size, width, config.dropout)
        self.ar_text_position = Position(width, self.DROPOUT)
        self.ar_audio_embedding = Embedding(config.vocab_size, width, config.dropout)
        self.ar_audio_position = Position(width, self.DROPOUT)
        self.h = nn.ModuleDict(
            {"layers": nn.ModuleList(Block(width, config.head, self.DROPOUT) for _ in range(config.n_layer))}
        )
        self.ar_predict_layer = nn.Linear(width, config.vocab_size, bias=False)

    @classmethod
    def from_checkpoint(cls, config: Mapping, weights: Mapping[str, Tensor]) -> Gpt:
        """Build the model of a checkpoint.

        Args:
            config: Configuration with a `model` section.
            weights: Tensors by key; the prefix `model.` of the reference's files is taken off.

        Raises:
            InputError: When keys or shapes do not fit the configuration.
        """
        try:
            with Uninitialized():
                model = cls(GptConfig.from_dict(config))
            model.load_state_dict({key.removeprefix("model."): value for key, value in weights.items()})
        except (RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"the token model's weights do not fit their configuration: {reason:.300}") from error
        return model

    @property
    def middle(self) -> range:
        """The layers that have heard the context and have yet to decide: the middle half."""
        layers = self.config.n_layer
        return range(layers // 3, max(layers // 3 + 1, layers - layers // 6))

    def drop(self, share: float) -> None:
        """Drop another share of what positions and layers give, in training; `DROPOUT` is the reference's."""
        for module in self.modules():
            if isinstance(module, Attention | Block):
                module.dropout = share
            elif isinstance(module, Position):
                module.dropout.p = share

    def embed_text(self, phones_BX: Tensor, bert_BCX: Tensor | None) -> Tensor:
        """Phonemes and their BERT rows, if any, to vectors `[B, X, D]`, positions counted from the first column."""
        bert_BXD = self.bert_proj.bias if bert_BCX is None else self.bert_proj(bert_BCX.transpose(1, 2))
        x_BXD = self.ar_text_embedding(phones_BX) + bert_BXD
        return self.ar_text_position(x_BXD, torch.arange(phones_BX.shape[1], device=phones_BX.device)[None])

    def embed_tokens(self, tokens_BY: Tensor, position_BY: Tensor | None = None) -> Tensor:
        """Return the tokens to vectors `[B, Y, D]`; positions are counted from the first column unless given."""
        if position_BY is None:
            position_BY = torch.arange(tokens_BY.shape[1], device=tokens_BY.device)[None]
        return self.ar_audio_position(self.ar_audio_embedding(tokens_BY), position_BY)

    def transform(
        self, x_BLD: Tensor, mask: Tensor | None, see: Callable[[Attention, Tensor, int], None] = lambda *_: None
    ) -> Tensor:
        """Run the layers.

        Args:
            x_BLD: Embedded positions.
            mask: True where a position (row) sees another (column); broadcasts to `[B, H, L, S]`.
            see: Told each layer's attention, what it is given, and the layer's number.
        """
        for number, block in enumerate(self.h["layers"]):  # type: ignore[arg-type]
            see(block.self_attn, x_BLD, number)
            x_BLD = block(x_BLD, mask)
        return x_BLD

    def forward(
        self,
        phones_BX: Tensor,
        phones_len_B: Tensor,
        tokens_BY: Tensor,
        tokens_len_B: Tensor,
        bert_BCX: Tensor | None,
        *,
        shift_phones: bool = True,
        read: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score every next token of a training batch, padded on the right as the dataset collates it.

        Args:
            phones_BX: Phoneme ids.
            phones_len_B: Real phonemes of each item.
            tokens_BY: Semantic tokens without EOS.
            tokens_len_B: Real tokens of each item.
            bert_BCX: BERT rows, zeros for items without; None where no item has any.
            shift_phones: Move the phonemes of shorter items to the right edge, where the mask and the first prediction
                expect them. The reference forgets this: its mask then hides a shorter item's first phonemes, shows it
                the padding, and the first prediction is read from padding. False does as the reference does.
            read: Gets, for each of the middle layers, the log of what its first head reads of the phonemes at each
                token, `[B, Y, X]`.

        Returns:
            Scores `[B, Y + 1, V]` and the targets `[B, Y + 1]`: tokens, then EOS to the end of the row.
        """
        X, Y = phones_BX.shape[1], tokens_BY.shape[1]
        text_BXD = self.embed_text(phones_BX, bert_BCX)
        column_X = torch.arange(X, device=phones_BX.device)
        padding_B1 = (X - phones_len_B).unsqueeze(1)
        if shift_phones:
            source_BX = (column_X - padding_B1).clamp(min=0)
            text_BXD = text_BXD.gather(1, source_BX.unsqueeze(-1).expand_as(text_BXD))

        real_BY = torch.arange(Y, device=tokens_BY.device) < tokens_len_B.unsqueeze(1)
        inputs_BY = tokens_BY.masked_fill(~real_BY, self.config.eos)
        targets_BY1 = F.pad(inputs_BY, (0, 1), value=self.config.eos)

        sees_BSS = visible(X, Y, phones_BX.device) & torch.cat([column_X >= padding_B1, real_BY], 1).unsqueeze(1)
        x_BSD = torch.cat([text_BXD, self.embed_tokens(inputs_BY)], dim=1)

        def see(attention: Attention, given_BSD: Tensor, layer: int) -> None:
            if read is not None and layer in self.middle:
                read.append(attention.first_head(given_BSD, sees_BSS.unsqueeze(1), slice(X, None))[..., :X])

        y_BSD = self.transform(x_BSD, sees_BSS.unsqueeze(1), see)
        return cpu.linear(y_BSD[:, X - 1 :], self.ar_predict_layer.weight, None), targets_BY1


def visible(X: int, Y: int, device: torch.device) -> Tensor:
    """Return what sees what, `[S, S]`: phonemes see phonemes, tokens see phonemes, themselves and earlier tokens."""
    column_S = torch.arange(X + Y, device=device)
    return (column_S < X) | ((column_S <= column_S.unsqueeze(1)) & (column_S.unsqueeze(1) >= X))
