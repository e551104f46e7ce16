"""What the token model is trained on: cross entropy, its accuracy, and preference of real over spoiled sequences."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DPO_BETA = 0.2


def cross_entropy(logits_BYV: Tensor, targets_BY: Tensor) -> Tensor:
    """Sum over all positions, padding (whose target is EOS) included, so that longer clips weigh more."""
    return F.cross_entropy(logits_BYV.flatten(0, 1), targets_BY.flatten(), reduction="sum")


def top_hits(logits_BYV: Tensor, targets_BY: Tensor, eos: int, k: int = 3) -> tuple[Tensor, Tensor]:
    """Targets other than EOS that are among the k best scores, and how many targets that is out of."""
    hit_BY = (logits_BYV.topk(k, dim=-1).indices == targets_BY.unsqueeze(-1)).any(-1)
    counted_BY = targets_BY != eos
    return (hit_BY & counted_BY).sum(), counted_BY.sum()


def off_guide(read: list[Tensor], guide_BYX: Tensor, tokens_len_B: Tensor) -> Tensor:
    """Return how far heads read beside what is said, summed over tokens and averaged over layers.

    Args:
        read: Log of what a head of each layer reads of the phonemes at each token, `[B, Y, X]`.
        guide_BYX: See `data.guide`.
        tokens_len_B: Real tokens of each item.
    """
    real_BY = torch.arange(guide_BYX.shape[1], device=guide_BYX.device) < tokens_len_B.unsqueeze(1)
    found = [-torch.logsumexp(of_layer + guide_BYX, -1).masked_fill(~real_BY, 0.0).sum() for of_layer in read]
    return torch.stack(found).mean()


def log_probability(logits_BYV: Tensor, targets_BY: Tensor) -> Tensor:
    """Log-probability of each whole row `[B]`, padded positions included."""
    return logits_BYV.log_softmax(-1).gather(2, targets_BY.unsqueeze(2)).squeeze(2).sum(-1)


def preference(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """Loss of each pair `[B]`: direct preference optimisation without a reference model (Rafailov et al. 2023)."""
    return -F.logsigmoid(DPO_BETA * (chosen_B - rejected_B))


def spoil(tokens_BY: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Sequences to be rejected: in each row a random span is said twice, or left out, as bad synthesis does.

    Args:
        tokens_BY: Padded tokens; the span may reach into the padding.
        generator: CPU generator; None takes torch's own.

    Returns:
        Spoiled tokens `[B, Y']`, padded with zeros, and their lengths `[B]`.
    """
    rows = []
    for row_Y in tokens_BY:
        leave_out = bool(torch.randint(0, 2, (1,), generator=generator))
        start, end = torch.randint(0, len(row_Y), (2,), generator=generator).sort().values.tolist()
        middle = row_Y[:0] if leave_out else row_Y[start:end].repeat(2)
        rows.append(torch.cat([row_Y[:start], middle, row_Y[end:]]))
    lengths_B = torch.tensor([len(row) for row in rows], device=tokens_BY.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths_B
