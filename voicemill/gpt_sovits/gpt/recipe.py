"""How the token model is trained: the knobs of `train-gpt`, each declared here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt


@dataclass(frozen=True, kw_only=True)
class GptRecipe:
    """How to train; the defaults are GPT-SoVITS's for fine-tuning."""

    epochs: Annotated[int, Ge(1)] = 15
    """Passes over the clips; few clips are repeated several times within an epoch."""

    min_clips_per_epoch: Annotated[int, Ge(1)] = 100
    """Fewer clips than this are repeated within an epoch, at least twice, until there are about as many; 1 repeats
    none."""

    batch_size: Annotated[int, Ge(1)] = 8
    """Clips per batch; how many go through the model at once follows from the GPU's memory."""

    save_every: Annotated[int, Ge(1)] = 5
    """Epochs between two weights files; the last epoch is always saved."""

    patience: Annotated[int, Ge(0)] = 0
    """Stop after this many epochs without a better validation loss, and keep the best epoch; 0 never stops early."""

    learning_rate: Annotated[float, Gt(0), Le(1)] = 0.002
    """Learning rate of ScaledAdam; the first step takes five times as much, as in GPT-SoVITS."""

    learning_rate_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor on the learning rate after each epoch."""

    dpo: bool = False
    """Train with direct preference optimization too: prefer the clips to corrupted copies of them, against repeated and
    swallowed words."""

    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Dropout rate; a lower one learns faster and overfits sooner."""

    max_concat_clips: Annotated[int, Ge(1)] = 1
    """Most clips in a row that are concatenated into one example, all of one speaker, whom clip names tell up to their
    last underscore; for a base trained from scratch."""

    guided_attention_weight: Annotated[float, Ge(0)] = 0.0
    """Weight of the guided attention loss, which keeps one head of the middle layers on the phones that are about to be
    spoken; for a base trained from scratch."""

    seed: Annotated[int, Ge(0), Lt(2**32)] = 1234
    """Seed of the order of clips and of dropout."""

    def items_per_batch(self, items: int) -> int:
        """As many as asked, half for DPO (each item is there twice); an epoch has at least 4 batches."""
        asked = self.batch_size // 2 if self.dpo else self.batch_size
        return max(1, min(asked, items // 4))
