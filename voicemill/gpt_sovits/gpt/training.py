"""Training steps of the token model: the reference's recipe (`s1_train.py`), in parts that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from voicemill.core.errors import OutOfGpuMemory
from voicemill.gpt_sovits.gpt import losses
from voicemill.gpt_sovits.gpt.data import Batch
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.optimizer import ScaledAdam
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.kernels import cpu
from voicemill.gpt_sovits.training.monitor import Diverged
from voicemill.gpt_sovits.training.run_state import Precision

ACCUMULATE = 4
FIRST_STEP_FACTOR = 5


@dataclass
class Sums:
    """What an epoch's batches add up to."""

    loss: float = 0.0
    targets: int = 0
    hits: int = 0
    counted: int = 0

    def row(self) -> dict[str, float]:
        """Loss per target in nats, and the share of real targets that are among the three best scores."""
        return {"loss": self.loss / max(1, self.targets), "top_3_accuracy": self.hits / max(1, self.counted)}


def learning_rate(base: float, step: int) -> float:
    """Return the rate of an optimizer step.

    The schedule in the reference's configuration is dead code: its first step runs at 0.01, all later ones at 0.002.
    """
    return base * FIRST_STEP_FACTOR if step == 0 else base


def steps_after(batch: int) -> bool:
    """Return whether the optimizer steps after this batch of an epoch: gradients of 4 batches (5 at first) are summed.

    Batches after the last step of an epoch leave their gradients to the first step of the next.
    """
    return batch > 0 and batch % ACCUMULATE == 0


@dataclass
class Trainer:
    """A model and its optimizer.

    Attributes:
        model: On the device to train on.
        recipe: How to train.
        precision: Arithmetic.
        micro_batch: Items that go through the model at once; halved when the GPU's memory runs out.
        log: Takes messages for the user.
        step: Optimizer steps done.
        epochs: Epochs done.
        sums: Of the current epoch.
    """

    model: Gpt
    recipe: GptRecipe
    precision: Precision
    micro_batch: int
    log: Callable[[str], None] = lambda message: None
    step: int = 0
    epochs: int = 0
    sums: Sums = field(default_factory=Sums)

    def __post_init__(self) -> None:
        if self.precision.device.type == "cpu":
            cpu.keep_freed_memory()
        self.parameters = list(self.model.parameters())
        self.optimizer = ScaledAdam(self.parameters, lr=self.recipe.learning_rate)

    def add(self, batch: Batch) -> None:
        """Add a batch's gradients, micro-batch by micro-batch.

        Raises:
            Diverged: When the loss is not a number.
            OutOfGpuMemory: When not even one item fits.
        """
        rejected = None
        if self.recipe.dpo:
            tokens_BY, lengths_B = losses.spoil(batch.tokens_BY)
            rejected = batch._replace(tokens_BY=tokens_BY, tokens_len_B=lengths_B)
        start, whole = 0, len(batch.phones_len_B)
        while start < whole:
            end = start + self.micro_batch
            try:
                self._add_part(batch.rows(start, end), rejected and rejected.rows(start, end), whole)
                start = end
            except torch.OutOfMemoryError as error:
                if self.micro_batch == 1:
                    raise OutOfGpuMemory(
                        "one clip does not fit into the GPU's memory; slice with a smaller --max-seconds"
                    ) from error
                self.micro_batch //= 2
                torch.cuda.empty_cache()
                self.log(f"out of GPU memory: continuing with a micro-batch of {self.micro_batch}")

    def _add_part(self, batch: Batch, rejected: Batch | None, whole: int) -> None:
        device = self.precision.device
        batch, read = batch.to(device), []
        with self.precision.autocast():
            logits, targets = self.model(*batch.inputs, read=None if batch.guide_BYX is None else read)
            loss = losses.cross_entropy(logits.float(), targets)
            if rejected is not None:
                reject_logits, reject_targets = self.model(*rejected.to(device).inputs)
                chosen_B = losses.log_probability(logits.float(), targets)
                rejected_B = losses.log_probability(reject_logits.float(), reject_targets)
                loss = loss + losses.preference(chosen_B, rejected_B).sum() / whole
            # What is written down is comparable with and without a guide.
            value = whole_value = float(loss.detach())
            if batch.guide_BYX is not None:
                off = losses.off_guide(read, batch.guide_BYX, batch.tokens_len_B)
                loss = loss + self.recipe.guided_attention_weight * off
                whole_value = float(loss.detach())
        if not math.isfinite(whole_value):
            raise Diverged(f"the loss became {whole_value}")
        # Gradients are taken apart from .grad: a pass that runs out of memory half-way leaves nothing behind there.
        # What reads BERT rows has none without rows.
        gradients = torch.autograd.grad(self.precision.scaler.scale(loss), self.parameters, allow_unused=True)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        hits, counted = losses.top_hits(logits.detach(), targets, self.model.config.eos)
        self.sums.loss += value
        self.sums.targets += targets.numel()
        self.sums.hits += int(hits)
        self.sums.counted += int(counted)

    def update(self) -> None:
        """Step the optimizer with the gradients that were added, and forget them."""
        decayed = self.recipe.learning_rate * self.recipe.learning_rate_decay**self.epochs
        self.optimizer.param_groups[0]["lr"] = learning_rate(decayed, self.step)
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        self.optimizer.zero_grad()
        self.step += 1

    def end_epoch(self) -> dict[str, float]:
        """Return the epoch's figures; counting starts over.

        Raises:
            Diverged: When a weight is not a number.
        """
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            raise Diverged("a weight became NaN or infinite")
        row, self.sums = self.sums.row(), Sums()
        self.epochs += 1
        return row

    @torch.no_grad()
    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Loss per target and accuracy on clips that are not trained on, without dropout; nothing else changes."""
        sums, device = Sums(), self.precision.device
        self.model.eval()
        for batch in batches:
            with self.precision.autocast():
                logits, targets = self.model(*batch.to(device).inputs)
            sums.loss += float(losses.cross_entropy(logits.float(), targets))
            sums.targets += targets.numel()
            hits, counted = losses.top_hits(logits, targets, self.model.config.eos)
            sums.hits += int(hits)
            sums.counted += int(counted)
        self.model.train()
        return {f"validation_{name}": value for name, value in sums.row().items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, gradients that wait for it included."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "gradients": [parameter.grad for parameter in self.parameters],
            "step": self.step,
            "epochs": self.epochs,
            "sums": vars(self.sums),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        for parameter, gradient in zip(self.parameters, state["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self.step, self.epochs, self.sums = state["step"], state["epochs"], Sums(**state["sums"])
