"""How a content encoder is trained: the knobs of `train-content-encoder`, each declared here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """How to train."""

    epochs: Annotated[int, Ge(1)] = 6
    """Passes over the clips, two seconds of each at a time."""

    batch_size: Annotated[int, Ge(1)] = 16
    """Clips per batch."""

    save_every: Annotated[int, Ge(1)] = 1
    """Epochs between two weights files; the last epoch is always saved."""

    patience: Annotated[int, Ge(0)] = 0
    """Stop after this many epochs without a better validation loss, and keep the best epoch; 0 never stops early."""

    learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-3
    """Highest learning rate of AdamW, reached after the warm-up; from there it falls to zero by half a cosine."""

    warmup_steps: Annotated[int, Ge(1)] = 50
    """Steps in which the learning rate rises."""

    weight_decay: Annotated[float, Ge(0)] = 0.01
    """Weight decay of AdamW."""

    layers: Annotated[int, Ge(1)] = 1
    """Transformer layers."""

    seed: Annotated[int, Ge(0), Lt(2**32)] = 1234
    """Seed of the weights, the order of clips, and of their augmentation."""
