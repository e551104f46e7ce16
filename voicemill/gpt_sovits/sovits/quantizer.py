"""The codebook that turns HuBERT features into semantic tokens.

Shapes: B batch, C channels, T frames, N = B * T, K codes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DECAY = 0.99
SMOOTHING = 1e-5
DEAD_BELOW = 2
"""A code that fewer frames than this use (moving average) is replaced by a frame of the batch."""


class Codebook(nn.Module):
    """Nearest codes by Euclidean distance; in training mode they follow their frames by a moving average.

    Van den Oord et al., 2017, appendix A.1. In evaluation mode (fine-tuning keeps the quantizer there) nothing moves.
    """

    embed: Tensor
    embed_avg: Tensor
    cluster_size: Tensor

    def __init__(self, codes: int, channels: int):
        super().__init__()
        embed_KC = torch.empty(codes, channels)
        nn.init.kaiming_uniform_(embed_KC)
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(codes))
        self.register_buffer("embed", embed_KC)
        self.register_buffer("embed_avg", embed_KC.clone())

    def encode(self, x_BCT: Tensor) -> Tensor:
        """Index of the nearest code for each frame, `[B, T]`."""
        x_BTC = x_BCT.transpose(1, 2)
        x_NC = x_BTC.flatten(0, 1)
        distance_NK = (
            x_NC.pow(2).sum(1, keepdim=True) - 2 * x_NC @ self.embed.T + self.embed.T.pow(2).sum(0, keepdim=True)
        )
        return distance_NK.argmin(1).view(x_BTC.shape[:2])

    def decode(self, codes_BT: Tensor) -> Tensor:
        """Return the codes' vectors, `[B, C, T]`."""
        return F.embedding(codes_BT, self.embed).transpose(1, 2)

    def forward(self, x_BCT: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest codes' vectors, and how far the frames are from them (mean square; 0 in evaluation mode)."""
        codes_BT = self.encode(x_BCT)
        quantized_BCT = self.decode(codes_BT)
        if not self.training:
            return quantized_BCT, x_BCT.new_zeros(())
        self._follow(x_BCT.detach().transpose(1, 2).flatten(0, 1), codes_BT.flatten())
        # Straight through: the gradient passes the quantizer as if it were not there.
        passed_BCT = x_BCT + (quantized_BCT - x_BCT).detach()
        return passed_BCT, F.mse_loss(passed_BCT.detach(), x_BCT)

    @torch.no_grad()
    def _follow(self, x_NC: Tensor, codes_N: Tensor) -> None:
        chosen_NK = F.one_hot(codes_N, len(self.embed)).to(x_NC.dtype)
        self.cluster_size.mul_(DECAY).add_(chosen_NK.sum(0), alpha=1 - DECAY)
        self.embed_avg.mul_(DECAY).add_(chosen_NK.T @ x_NC, alpha=1 - DECAY)
        total = self.cluster_size.sum()
        smoothed_K = (self.cluster_size + SMOOTHING) / (total + len(self.embed) * SMOOTHING) * total
        self.embed.copy_(self.embed_avg / smoothed_K.unsqueeze(1))
        dead_K = self.cluster_size < DEAD_BELOW
        if dead_K.any():
            self.embed[dead_K] = x_NC[torch.randint(len(x_NC), (int(dead_K.sum()),), device=x_NC.device)]
