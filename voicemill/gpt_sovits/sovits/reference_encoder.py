"""Reference encoder: a spectrogram to one speaker embedding (Meta-StyleSpeech's mel style encoder, Min et al., 2021).

Shapes: B batch, F spectrogram bins, T frames, C hidden channels, G speaker embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.sovits.layers import named

HIDDEN = 128
HEADS = 2
DROPOUT = 0.1


class GatedConv(nn.Module):
    """Convolution under a gate, with a residual connection."""

    def __init__(self):
        super().__init__()
        self.conv1 = named(conv=nn.Conv1d(HIDDEN, 2 * HIDDEN, 5, padding=2))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x_BCT: Tensor) -> Tensor:
        return x_BCT + self.dropout(F.glu(self.conv1(x_BCT), dim=1))


class SelfAttention(nn.Module):
    """Scaled by the square root of the whole width, not of a head's, as the published weights expect."""

    def __init__(self):
        super().__init__()
        self.w_qs, self.w_ks, self.w_vs, self.fc = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x_BTC: Tensor, mask_B1T: Tensor) -> Tensor:
        q, k, v = (w(x_BTC).unflatten(2, (HEADS, -1)).transpose(1, 2) for w in (self.w_qs, self.w_ks, self.w_vs))
        dropout = self.dropout.p if self.training else 0.0
        visible = (mask_B1T > 0).unsqueeze(1)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout, scale=HIDDEN**-0.5)
        return self.dropout(self.fc(read.transpose(1, 2).flatten(2))) + x_BTC


class ReferenceEncoder(nn.Module):
    """Frame-wise layers, gated convolutions, self-attention, then the mean over time."""

    def __init__(self, bins: int, gin_channels: int):
        super().__init__()
        self.spectral = nn.Sequential(
            named(fc=nn.Linear(bins, HIDDEN)),
            nn.Mish(),
            nn.Dropout(DROPOUT),
            named(fc=nn.Linear(HIDDEN, HIDDEN)),
            nn.Mish(),
            nn.Dropout(DROPOUT),
        )
        self.temporal = nn.Sequential(GatedConv(), GatedConv())
        self.slf_attn = SelfAttention()
        self.fc = named(fc=nn.Linear(HIDDEN, gin_channels))

    def forward(self, spec_BFT: Tensor, mask_B1T: Tensor) -> Tensor:
        """Speaker embedding `[B, G, 1]` of the frames that the mask admits."""
        x_BCT = self.temporal(self.spectral(spec_BFT.transpose(1, 2)).transpose(1, 2)) * mask_B1T
        embedding_BTG = self.fc(self.slf_attn(x_BCT.transpose(1, 2), mask_B1T))
        weight_BT1 = (mask_B1T / mask_B1T.sum(2, keepdim=True)).transpose(1, 2)
        # Summed in single precision: a clip has hundreds of frames.
        return torch.sum(embedding_BTG.float() * weight_BT1, dim=1).to(embedding_BTG.dtype).unsqueeze(-1)
