"""Fine-tunes the token model: the reference's recipe (`s1_train.py`), resumable to the bit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voicemill.errors import InputError, OutOfGpuMemory
from voicemill.gpt_sovits.checkpoints import load_gpt
from voicemill.gpt_sovits.gpt import losses
from voicemill.gpt_sovits.gpt.data import Batch, Item, batch_count, collate, epoch_batches, repeated
from voicemill.gpt_sovits.gpt.decoding import MIN_TOKENS, generate
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.optimizer import ScaledAdam
from voicemill.gpt_sovits.runs import Precision, RunState, first_micro_batch

Progress = Callable[[Iterator[None], int], Iterator[None]]
"""Passes elements through, showing how many of a total went by."""

BATCH_SIZE = 8
ACCUMULATE = 4
FIRST_STEP_FACTOR = 5


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the reference's."""

    epochs: int = 15
    batch_size: int = BATCH_SIZE
    save_every: int = 5
    learning_rate: float = 0.002
    seed: int = 1234
    dpo: bool = False

    def items_per_batch(self, items: int) -> int:
        """As many as asked, half for DPO (each item is there twice); an epoch has at least 4 batches."""
        asked = self.batch_size // 2 if self.dpo else self.batch_size
        return max(1, min(asked, items // 4))


@dataclass(frozen=True)
class Saved:
    """A finished weights file."""

    epoch: int
    step: int
    path: Path


def learning_rate(base: float, step: int) -> float:
    """The rate of an optimizer step.

    The schedule in the reference's configuration is dead code: its first step runs at 0.01, all later ones at 0.002.
    """
    return base * FIRST_STEP_FACTOR if step == 0 else base


def steps_after(batch: int) -> bool:
    """Whether the optimizer steps after this batch of an epoch: gradients of 4 batches (5 at first) are summed.

    Batches after the last step of an epoch leave their gradients to the first step of the next.
    """
    return batch > 0 and batch % ACCUMULATE == 0


class Trainer:
    """One fine-tuning run.

    Args:
        model: With the base weights, on the device to train on.
        items: What to train on.
        recipe: How.
        state_folder: Where the run's state is kept.
        precision: Arithmetic.
        save_weights: Writes a weights file: (path, weights by key, epoch, step).
        check_stop: Called where the run can be gone on from; raises to stop it.
        stop_requested: Whether `check_stop` would raise.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        say: Takes messages for the user.
    """

    def __init__(
        self,
        model: Gpt,
        items: list[Item],
        recipe: Recipe,
        state_folder: Path,
        precision: Precision,
        *,
        save_weights: Callable[[Path, dict[str, Tensor], int, int], None],
        check_stop: Callable[[], None] = lambda: None,
        stop_requested: Callable[[], bool] = lambda: False,
        micro_batch_divisor: int = 1,
        say: Callable[[str], None] = lambda message: None,
    ):
        if not items:
            raise InputError("no clip is left to train the token model on; see the ledger for what became of each")
        self.model, self.recipe, self.precision, self.say = model, recipe, precision, say
        self.save_weights, self.check_stop, self.stop_requested = save_weights, check_stop, stop_requested
        self.items = repeated(items)
        self.batch_size = recipe.items_per_batch(len(self.items))
        self.parameters = list(model.parameters())
        self.device = self.parameters[0].device
        self.optimizer = ScaledAdam(self.parameters, lr=learning_rate(recipe.learning_rate, 0))
        self.micro_batch = first_micro_batch(
            self.batch_size, self._item_bytes(), self._fixed_bytes(), self.device, micro_batch_divisor
        )
        self.state = RunState(state_folder, self._fingerprint(), say)
        self.epoch, self.batch, self.step = 1, 0, 0
        self.sums = {"loss": 0.0, "targets": 0.0, "hits": 0.0, "counted": 0.0}

    def run(self, progress: Progress = lambda batches, total: batches) -> list[Saved]:
        """Train to the last epoch, from the state where there is one.

        Args:
            progress: Sees one element a batch.

        Returns:
            The weights files in the state folder, oldest first; the last epoch is always among them.
        """
        torch.manual_seed(self.recipe.seed)
        resumed = self.state.load()
        if resumed:
            self._restore(resumed)
            self.say(f"going on from epoch {self.epoch}, batch {self.batch}")
        for _ in progress(self._batches(), self.recipe.epochs * batch_count(self.items, self.batch_size)):
            pass
        self.state.close()
        return self._saved()

    def _batches(self) -> Iterator[None]:
        count = batch_count(self.items, self.batch_size)
        for _ in range((self.epoch - 1) * count + self.batch):
            yield
        self.model.train()
        while self.epoch <= self.recipe.epochs:
            batches = list(epoch_batches(self.items, self.batch_size, self.recipe.seed, self.epoch - 1))
            for items in batches[self.batch :]:
                self._train_on(collate(items, self.model.config.eos), last=self.batch == count - 1)
                self.batch += 1
                yield
                if self.stop_requested() and self.batch < count:
                    self.state.save(self.step, self._state())
                    self.check_stop()
            self._end_epoch()
            if self.epoch <= self.recipe.epochs:
                self.check_stop()

    def _train_on(self, batch: Batch, last: bool) -> None:
        """Add a batch's gradients; step where the recipe says so, and at least once an epoch."""
        rejected = None
        if self.recipe.dpo:
            tokens_BY, lengths_B = losses.spoil(batch.tokens_BY)
            rejected = batch._replace(tokens_BY=tokens_BY, tokens_len_B=lengths_B)
        start, whole = 0, len(batch.phones_len_B)
        while start < whole:
            end = start + self.micro_batch
            try:
                self._add_gradients(batch.rows(start, end), rejected and rejected.rows(start, end), whole)
                start = end
            except torch.OutOfMemoryError as error:
                if self.micro_batch == 1:
                    raise OutOfGpuMemory(
                        "one clip does not fit into the GPU's memory; slice with a smaller --max-seconds"
                    ) from error
                self.micro_batch //= 2
                torch.cuda.empty_cache()
                self.say(f"out of GPU memory: the micro-batch is {self.micro_batch} from here on")
        if steps_after(self.batch) or (last and batch_count(self.items, self.batch_size) <= ACCUMULATE):
            self._update()

    def _add_gradients(self, batch: Batch, rejected: Batch | None, whole: int) -> None:
        with self.precision.autocast():
            logits, targets = self.model(*batch.to(self.device))
            loss = losses.cross_entropy(logits.float(), targets)
            if rejected is not None:
                reject_logits, reject_targets = self.model(*rejected.to(self.device))
                chosen_B = losses.log_probability(logits.float(), targets)
                rejected_B = losses.log_probability(reject_logits.float(), reject_targets)
                loss = loss + losses.preference(chosen_B, rejected_B).sum() / whole
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(f"the loss became {value}")
        # Gradients are taken apart from .grad: a pass that runs out of memory half-way leaves nothing behind there.
        gradients = torch.autograd.grad(self.precision.scaler.scale(loss), self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        hits, counted = losses.top_hits(logits.detach(), targets, self.model.config.eos)
        self.sums["loss"] += value
        self.sums["targets"] += targets.numel()
        self.sums["hits"] += float(hits)
        self.sums["counted"] += float(counted)

    def _update(self) -> None:
        rate = learning_rate(self.recipe.learning_rate, self.step)
        self.optimizer.param_groups[0]["lr"] = rate
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        self.optimizer.zero_grad()
        self.step += 1

    def _diverged(self, what: str) -> InputError:
        return InputError(
            f"{what} in epoch {self.epoch} after {self.step} steps; train with a smaller --learning-rate, or look for "
            f"clips whose text does not fit their audio. The state of epoch {self.epoch - 1} is kept"
        )

    def _end_epoch(self) -> None:
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            raise self._diverged("a weight is no longer a number")
        accuracy = self.sums["hits"] / max(1.0, self.sums["counted"])
        loss = self.sums["loss"] / self.sums["targets"]
        self.state.log(self.step, epoch=self.epoch, loss=loss, top_3_accuracy=accuracy)
        self.say(f"epoch {self.epoch} of {self.recipe.epochs}: loss {loss:.3f}, top 3 accuracy {accuracy:.3f}")
        if self.device.type == "cuda":
            self.say(f"peak GPU memory {torch.cuda.max_memory_allocated(self.device) / 2**30:.2f} GiB")
        if self.epoch % self.recipe.save_every == 0 or self.epoch == self.recipe.epochs:
            path = self.state.weights / f"gpt_e{self.epoch}_s{self.step}.safetensors"
            self.save_weights(path, self.model.state_dict(), self.epoch, self.step)
        self.sums = dict.fromkeys(self.sums, 0.0)
        self.epoch, self.batch = self.epoch + 1, 0
        self.state.save(self.step, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "gradients": [parameter.grad for parameter in self.parameters],
            "scaler": self.precision.scaler.state_dict(),
            "position": [self.epoch, self.batch, self.step],
            "sums": self.sums,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        for parameter, gradient in zip(self.parameters, state["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(self.device)
        self.epoch, self.batch, self.step = state["position"]
        self.sums = state["sums"]

    def _saved(self) -> list[Saved]:
        saved = []
        for path in self.state.weights.glob("gpt_e*_s*.safetensors"):
            epoch, step = (int(part[1:]) for part in path.stem.split("_")[1:])
            saved.append(Saved(epoch, step, path))
        return sorted(saved, key=lambda file: file.epoch)

    def _fingerprint(self) -> str:
        """Digest of the base weights, the recipe and the items."""
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes())
        rows = [[item.name, item.phones, item.tokens, str(item.bert and item.bert.name)] for item in self.items]
        digest.update(json.dumps([asdict(self.recipe), self.precision.name, rows]).encode())
        for path in dict.fromkeys(item.bert for item in self.items if item.bert):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def _fixed_bytes(self) -> float:
        """Gradients, three optimizer tensors, and stacked copies of weights and gradients, 4 bytes each."""
        return 4.0 * 7 * sum(parameter.numel() for parameter in self.parameters)

    def _item_bytes(self) -> float:
        """Activations of the longest item: about 40 bytes a position, width and layer (Korthikanti et al. 2022 count 34
        for half precision), twice that in fp32, and the scores."""
        positions = max(len(item.phones) + len(item.tokens) for item in self.items)
        config = self.model.config
        layers = 40.0 * config.n_layer * config.hidden_dim * positions
        scores = 4 * 4.0 * config.vocab_size * positions
        factor = (2 if self.precision.dtype == torch.float32 else 1) * (2 if self.recipe.dpo else 1)
        return factor * layers + scores


def check_weights(path: Path, item: Item) -> None:
    """Load a weights file as synthesis will, and let it speak a few tokens.

    Args:
        path: A file that was just written.
        item: A clip to read from.

    Raises:
        InputError: When the file does not load or its scores are not numbers.
    """
    checkpoint = load_gpt(path)
    model = Gpt.from_checkpoint(checkpoint.config, checkpoint.weights).float().eval()
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise InputError(f"{path.name} holds weights that are not numbers; train with a smaller --learning-rate")
    generate(model, [torch.tensor(item.phones)], [item.load_bert()], [None], max_tokens=[MIN_TOKENS + 1], seeds=[0])
