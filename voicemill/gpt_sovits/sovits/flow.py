"""The normalizing flow between the posterior's z and the prior's z_p.

Shapes: B batch, C channels, T frames, G speaker embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.layers import WaveNet


class Coupling(nn.Module):
    """Shifts one half of the channels by a function of the other half, which makes it easy to reverse."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        half = config.inter_channels // 2
        self.pre = nn.Conv1d(half, config.hidden_channels, 1)
        self.enc = WaveNet(config.hidden_channels, 5, 4, config.gin_channels)
        self.post = nn.Conv1d(config.hidden_channels, half, 1)
        nn.init.zeros_(self.post.weight)
        nn.init.zeros_(cast(Tensor, self.post.bias))

    def shift(self, x0_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        return self.post(self.enc(self.pre(x0_BCT) * mask_B1T, mask_B1T, g_BG1)) * mask_B1T


class Flow(nn.Module):
    """Four couplings, the channels reversed after each; volume preserving."""

    def __init__(self, config: SovitsConfig):
        super().__init__()
        # Checkpoints number the couplings 0, 2, 4, 6: the reversals between them count.
        self.flows = nn.ModuleDict({str(2 * i): Coupling(config) for i in range(4)})

    def forward(self, z_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        """z of the posterior -> z_p, comparable with the prior."""
        for coupling in cast(Sequence[Coupling], self.flows.values()):
            x0, x1 = z_BCT.chunk(2, dim=1)
            x1 = coupling.shift(x0, mask_B1T, g_BG1) + x1 * mask_B1T
            z_BCT = torch.cat([x0, x1], 1).flip(1)
        return z_BCT

    def reverse(self, z_p_BCT: Tensor, mask_B1T: Tensor, g_BG1: Tensor) -> Tensor:
        """z_p of the prior -> z for the vocoder."""
        for coupling in reversed(cast(Sequence[Coupling], list(self.flows.values()))):
            x0, x1 = z_p_BCT.flip(1).chunk(2, dim=1)
            x1 = (x1 - coupling.shift(x0, mask_B1T, g_BG1)) * mask_B1T
            z_p_BCT = torch.cat([x0, x1], 1)
        return z_p_BCT
