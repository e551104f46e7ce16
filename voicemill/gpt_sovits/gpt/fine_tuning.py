"""A fine-tuning run of the token model: epochs over a dataset, weights files, a state that survives a kill."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from voicemill.errors import InputError
from voicemill.gpt_sovits.checkpoints import GptCheckpoint, load_gpt, save_gpt
from voicemill.gpt_sovits.gpt.data import Item, batch_count, collate, epoch_batches, repeated
from voicemill.gpt_sovits.gpt.decoding import MIN_TOKENS, generate
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.training import ACCUMULATE, Recipe, Trainer, steps_after
from voicemill.gpt_sovits.runs import Precision, RunState, first_micro_batch
from voicemill.gpt_sovits.watching import Diverged, Watch, peak_memory, recompute

Progress = Callable[[Iterable[None], int], Iterable[None]]

SECONDS_BETWEEN_CHECKPOINTS = 300.0


@dataclass(frozen=True)
class Saved:
    """A finished weights file."""

    epoch: int
    step: int
    path: Path


class FineTuning:
    """One run.

    Args:
        base: What to start from.
        items: What to train on.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        check_stop: Called where the run can be gone on from; raises to stop it.
        stop_requested: Whether `check_stop` would raise.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        held_out: Clips that are not trained on, for the validation loss of each epoch.
        recompute_layers: Gradient checkpointing: less memory, more time.
        say: Takes messages for the user.

    Raises:
        InputError: If there are no items, or the weights do not fit their configuration.
    """

    def __init__(
        self,
        base: GptCheckpoint,
        items: list[Item],
        recipe: Recipe,
        state_folder: Path,
        precision: Precision,
        *,
        check_stop: Callable[[], None] = lambda: None,
        stop_requested: Callable[[], bool] = lambda: False,
        micro_batch_divisor: int = 1,
        held_out: Sequence[Item] = (),
        recompute_layers: bool = False,
        say: Callable[[str], None] = lambda message: None,
    ):
        if not items:
            raise InputError("no clip is left to train the token model on; see the ledger for what became of each")
        self.base, self.recipe, self.say = base, recipe, say
        self.check_stop, self.stop_requested = check_stop, stop_requested
        self.items, self.held_out = repeated(items), held_out
        self.batch_size = recipe.items_per_batch(len(self.items))
        self.batches = batch_count(self.items, self.batch_size)
        model = Gpt.from_checkpoint(base.config, base.weights).float().to(precision.device)
        if recompute_layers:
            recompute(model.h["layers"].children())
        fixed, each = memory_needs(model, precision, self.items, dpo=recipe.dpo, recomputed=recompute_layers)
        micro = first_micro_batch(self.batch_size, each, fixed, precision.device, micro_batch_divisor)
        self.trainer = Trainer(model, recipe, precision, micro, say)
        self.state = RunState(state_folder, self._fingerprint(), say)
        self.epoch, self.batch = 1, 0
        self.watch = Watch(recipe.patience)
        self.peak_memory = 0.0
        self._saved_at = time.monotonic()

    def run(self, progress: Progress = lambda batches, total: batches) -> list[Saved]:
        """Train to the last epoch, from the state where there is one.

        Args:
            progress: Sees one element a batch.

        Returns:
            The weights files in the state folder, oldest first; the last epoch is always among them.
        """
        torch.manual_seed(self.recipe.seed)
        state = self.state.load()
        if state:
            self.trainer.load_state_dict(state["trainer"])
            self.epoch, self.batch = state["position"]
            self.watch.load_state_dict(state["watch"])
            self.say(f"going on from epoch {self.epoch}, batch {self.batch}")
        self.trainer.model.train()
        for _ in progress(self._batches(), self.recipe.epochs * self.batches):
            pass
        self.state.close()
        return self._saved()

    def _batches(self) -> Iterator[None]:
        for _ in range((self.epoch - 1) * self.batches + self.batch):
            yield
        while self.epoch <= self.recipe.epochs and not self.watch.ends:
            order = list(epoch_batches(self.items, self.batch_size, self.recipe.seed, self.epoch - 1))
            for items in order[self.batch :]:
                self._train_on(items)
                yield
                self._checkpoint_if_due()
            self._end_epoch()

    def _train_on(self, items: list[Item]) -> None:
        sums = self.trainer.sums
        loss, targets = sums.loss, sums.targets
        with self._explaining():
            self.trainer.add(collate(items, self.trainer.model.config.eos))
            self.watch.see_step((sums.loss - loss) / (sums.targets - targets))
        # So few batches that the reference would never step: it then saves what it began with.
        too_few = self.batches <= ACCUMULATE and self.batch == self.batches - 1
        if steps_after(self.batch) or too_few:
            self.trainer.update()
        self.batch += 1

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Tell the user what to do about numbers that are none."""
        try:
            yield
        except Diverged as error:
            raise self.state.after_divergence(
                f"{error} in epoch {self.epoch} after {self.trainer.step} steps",
                "train with a smaller --learning-rate, or look for clips whose text does not fit their audio",
                may_pass=self.trainer.precision.may_differ,
            ) from error

    def _checkpoint_if_due(self) -> None:
        if self.batch < self.batches and (
            self.stop_requested() or time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS
        ):
            # What was saved before a spike is the state to go back to.
            if not self.watch.spikes:
                self._checkpoint()
            self.check_stop()

    def _checkpoint(self) -> None:
        run = {"trainer": self.trainer.state_dict(), "position": [self.epoch, self.batch]}
        run["watch"] = self.watch.state_dict()
        self.state.save(self.trainer.step, run)
        self._saved_at = time.monotonic()

    def _end_epoch(self) -> None:
        with self._explaining():
            row = self.trainer.end_epoch()
        previous, better = self.watch.best_epoch, False
        if self.held_out:
            eos = self.trainer.model.config.eos
            row |= self.trainer.validate(collate([item], eos) for item in self.held_out)
            better = self.watch.see_epoch(self.epoch, row["validation_loss"])
        self.state.log(self.trainer.step, epoch=self.epoch, **row)
        self.peak_memory = peak_memory(self.trainer.precision.device)
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in row.items())
        self.say(f"epoch {self.epoch} of {self.recipe.epochs}: {shown}, peak memory {self.peak_memory:.2f} GiB")
        last = self.epoch == self.recipe.epochs or self.watch.ends
        if last or self.epoch % self.recipe.save_every == 0 or (better and self.recipe.patience):
            self._save_weights()
        if better and self.recipe.patience and previous % self.recipe.save_every:
            self.state.forget(f"gpt_e{previous}_s*")
        self.epoch, self.batch = self.epoch + 1, 0
        self._checkpoint()
        if not last:
            self.check_stop()

    def _save_weights(self) -> None:
        path = self.state.weights / f"gpt_e{self.epoch}_s{self.trainer.step}.safetensors"
        save_gpt(path, GptCheckpoint(self.base.hps, self.trainer.model.state_dict(), f"GPT-e{self.epoch}"))
        prove(path, self.items[0])

    def _saved(self) -> list[Saved]:
        saved = []
        for path in self.state.weights.glob("gpt_e*_s*.safetensors"):
            epoch, step = (int(part[1:]) for part in path.stem.split("_")[1:])
            saved.append(Saved(epoch, step, path))
        return sorted(saved, key=lambda file: file.epoch)

    def _fingerprint(self) -> str:
        """Digest of the base weights, the recipe and the items."""
        rows = [[item.name, item.phones, item.tokens] for item in (*self.items, *self.held_out)]
        settings = [asdict(self.recipe), self.trainer.precision.name, self.base.config["model"], rows]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for path in dict.fromkeys(item.bert for item in self.items if item.bert):
            digest.update(path.read_bytes())
        for name, tensor in sorted(self.base.weights.items()):
            digest.update(name.encode() + tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def memory_needs(
    model: Gpt, precision: Precision, items: list[Item], *, dpo: bool, recomputed: bool = False
) -> tuple[float, float]:
    """Bytes that training takes whatever the batch, and for each item as long as the longest.

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
        raise InputError(
            f"{path.name} holds weights too large for half precision; train with a smaller --learning-rate"
        )
    phones, bert = torch.tensor(item.phones), item.load_bert()
    generate(model, [phones], [bert], [None], max_tokens=[MIN_TOKENS + 1], seeds=[0])
