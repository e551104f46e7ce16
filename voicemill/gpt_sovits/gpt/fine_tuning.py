"""A fine-tuning run of the token model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint, load_gpt, save_gpt
from voicemill.gpt_sovits.gpt.data import Batch, Item, collate, epoch_batches, repeated
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import MIN_TOKENS
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.gpt.training import ACCUMULATE, Trainer, steps_after
from voicemill.gpt_sovits.training import loop
from voicemill.gpt_sovits.training.monitor import recompute
from voicemill.gpt_sovits.training.run_state import Precision, first_micro_batch


class FineTuning(loop.FineTuning[list[Item], Batch]):
    """One run.

    Args:
        base: What to start from.
        items: What to train on.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        held_out: Clips that are not trained on, for the validation loss of each epoch.
        recompute_layers: Gradient checkpointing: less memory, more time.
        hooks: See `fine_tuning.Hooks`.

    Raises:
        InputError: Without items, or the weights do not fit their configuration.
    """

    trainer: Trainer
    recipe: GptRecipe
    kind = "gpt"
    advice = "train with a lower --learning-rate, or look for clips whose text does not fit their audio"

    def __init__(
        self,
        base: GptCheckpoint,
        items: list[Item],
        recipe: GptRecipe,
        state_folder: Path,
        precision: Precision,
        *,
        micro_batch_divisor: int = 1,
        held_out: Sequence[Item] = (),
        recompute_layers: bool = False,
        **hooks: Unpack[loop.Hooks],
    ):
        if not items:
            raise InputError("no clip is left to train the token model on; see the ledger for the reasons")
        self.base, self.items, self.held_out = base, repeated(items, recipe.min_clips_per_epoch), held_out
        self.batch_size = recipe.items_per_batch(len(self.items))
        model = Gpt.from_checkpoint(base.config, base.weights).float().to(precision.device).train()
        model.drop(recipe.dropout)
        if recompute_layers:
            recompute(model.h["layers"].children())
        fixed, each = memory_needs(model, precision, self.items, dpo=recipe.dpo, recomputed=recompute_layers)
        micro = first_micro_batch(self.batch_size, each, fixed, precision.device, micro_batch_divisor)
        trainer = Trainer(model, recipe, precision, micro, hooks.get("log", lambda message: None))
        rows = [[item.name, item.phones, item.tokens] for item in (*self.items, *held_out)]
        files = [item.bert for item in self.items if item.bert]
        digest = loop.fingerprint(recipe, precision, [base.config["model"], rows], files, base.weights)
        super().__init__(trainer, recipe, state_folder, digest, precision, hooks)

    def order(self, epoch: int) -> list[list[Item]]:
        return list(epoch_batches(self.items, self.batch_size, self.recipe.seed, epoch - 1))

    def read(self, items: list[Item]) -> Batch:
        return collate(items, self.trainer.model.config.eos, guided=self.recipe.guided_attention_weight > 0)

    def train_on(self, batch: Batch) -> None:
        sums = self.trainer.sums
        loss, targets = sums.loss, sums.targets
        self.trainer.add(batch)
        self.watch.see_step((sums.loss - loss) / (sums.targets - targets))
        # So few batches that the reference would never step: it then saves what it began with.
        too_few = self.batches <= ACCUMULATE and self.batch == self.batches - 1
        if steps_after(self.batch) or too_few:
            self.trainer.update()
            self.step = self.trainer.step

    def figures(self) -> tuple[dict[str, float], float | None]:
        row = self.trainer.end_epoch()
        if self.held_out:
            row |= self.trainer.validate(self.read([item]) for item in self.held_out)
        return row, row.get("validation_loss")

    def write(self, path: Path) -> None:
        save_gpt(path, GptCheckpoint(self.base.hps, self.trainer.model.state_dict(), f"GPT-e{self.epoch}"))
        prove(path, self.items[0])


def memory_needs(
    model: Gpt, precision: Precision, items: list[Item], *, dpo: bool, recomputed: bool = False
) -> tuple[float, float]:
    """Return the bytes that training takes whatever the batch, and for each item as long as the longest.

    Fixed: gradients, three optimizer tensors, and stacked copies of weights and gradients, 4 bytes each. For an item:
    about 40 bytes a position, width and layer in half precision (Korthikanti et al. 2022 count 34), and the scores;
    where layers are recomputed, their inputs and one layer's insides.
    """
    config = model.config
    positions = max(len(item.phones) + len(item.tokens) for item in items)
    passes = (2 if precision.dtype == torch.float32 else 1) * (2 if dpo else 1)
    layer = 40.0 * config.hidden_dim * positions * passes
    layers = layer * (1 + 0.05 * config.n_layer) if recomputed else layer * config.n_layer
    scores = 16.0 * config.vocab_size * positions
    return 28.0 * sum(parameter.numel() for parameter in model.parameters()), layers + scores


def prove(path: Path, item: Item) -> None:
    """Load a weights file as synthesis will, and let it speak a few tokens.

    Args:
        path: A file that was just written.
        item: A clip to read from.

    Raises:
        InputError: When the file does not load or holds weights that are not numbers.
    """
    checkpoint = load_gpt(path)
    model = Gpt.from_checkpoint(checkpoint.config, checkpoint.weights).float().eval()
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise InputError(f"{path.name} holds weights too large for half precision; train with a lower --learning-rate")
    phones, bert = torch.tensor(item.phones), item.load_bert()
    generate(model, [phones], [bert], [None], max_tokens=[MIN_TOKENS + 1], seeds=[0])
