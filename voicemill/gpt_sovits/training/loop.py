"""A fine-tuning run of either model: epochs over batches, weights files, and a state that survives a kill."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypedDict, TypeVar

import torch
from torch import Tensor

from voicemill.core.files import link_or_copy
from voicemill.gpt_sovits.training.monitor import Diverged, Watch, peak_memory
from voicemill.gpt_sovits.training.run_state import Precision, RunState, write_parameters

Progress = Callable[[Iterable[None], int], Iterable[None]]

SECONDS_BETWEEN_CHECKPOINTS = 300.0
EPOCH_CHECKPOINTS_TAKE = 0.05
"""Share of the time that checkpoints at the ends of epochs may take: at full size one is 1.2 GB, and on a GPU an epoch
takes seconds. One that is written in `QUICK_SECONDS` is written after each epoch."""
QUICK_SECONDS = 0.5


class Hooks(TypedDict, total=False):
    """How a run is tied to what goes on around it.

    Attributes:
        check_stop: Called where the run can be resumed from; raises to stop it.
        stop_requested: Whether `check_stop` would raise.
        checkpoint_steps: Save the state after so many batches, besides every five minutes and, where that takes little
            of the time, every epoch.
        log: Takes messages for the user.
    """

    check_stop: Callable[[], None]
    stop_requested: Callable[[], bool]
    checkpoint_steps: int | None
    log: Callable[[str], None]


class Batch(Protocol):
    """What can be put where a GPU reads it without waiting."""

    def pin_memory(self) -> Any: ...


@dataclass(frozen=True)
class Saved:
    """A finished weights file."""

    epoch: int
    step: int
    path: Path


B = TypeVar("B", bound=Batch)
Items = TypeVar("Items")


class FineTuning(ABC, Generic[Items, B]):
    """One run; the two models say what their batches are and how they learn from one.

    Args:
        trainer: The model with its optimizer.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        fingerprint: Digest of all that its weights files depend on, but for the number of epochs.
        precision: Arithmetic, and the device.
        hooks: See `Hooks`.

    Attributes:
        epoch: The one that is trained, from 1.
        batch: Batches of it that are done.
        batches: Batches of an epoch.
        step: Optimizer steps done.
        peak_memory: In GiB.
    """

    trainer: Any
    recipe: Any
    kind: str
    """What weights files are called."""
    heard: tuple[str, ...] | None = None
    """Fields of the recipe that it is trained by; None means all."""
    advice: str
    """Advice for NaN losses."""

    def __init__(
        self,
        trainer: Any,
        recipe: Any,
        state_folder: Path,
        fingerprint: str,
        precision: Precision,
        hooks: Hooks,
    ):
        self.trainer, self.recipe, self.precision = trainer, recipe, precision
        self.check_stop = hooks.get("check_stop", lambda: None)
        self.stop_requested = hooks.get("stop_requested", lambda: False)
        self.checkpoint_steps = hooks.get("checkpoint_steps")
        self.log = hooks.get("log", lambda message: None)
        self.state = RunState(state_folder, fingerprint, self.log)
        self.watch = Watch(recipe.patience)
        self.epoch, self.batch, self.step = 1, 0, 0
        self.batches = len(self.order(1))
        self.peak_memory = 0.0
        self._saved_at, self._seconds_to_save = time.monotonic(), 0.0

    @abstractmethod
    def order(self, epoch: int) -> Sequence[Items]:
        """Return the items of each batch of an epoch; epochs have equally many."""

    @abstractmethod
    def read(self, items: Items) -> B:
        """Return a batch of items.

        Raises:
            InputError: If a clip cannot be read any more.
        """

    @abstractmethod
    def train_on(self, batch: B) -> None:
        """Learn from a batch, which is the one after `self.batch`; count steps.

        Raises:
            Diverged: If a loss is NaN or infinite, or has left the range it had.
        """

    @abstractmethod
    def figures(self) -> tuple[dict[str, float], float | None]:
        """At the end of an epoch what to write down, and the validation loss where clips are held out."""

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the weights, and prove that the file speaks."""

    def run(self, progress: Progress = lambda batches, total: batches) -> list[Saved]:
        """Train to the last epoch, from the state where there is one.

        Args:
            progress: Sees one element a batch.

        Returns:
            The weights files in the state folder, oldest first; the last epoch is always among them.
        """
        torch.manual_seed(self.recipe.seed)
        state = self.state.load(lambda run: run["position"][0] <= self.recipe.epochs + 1)
        if state:
            self.trainer.load_state_dict(state["trainer"])
            self.epoch, self.batch, self.step = state["position"]
            self.watch.load_state_dict(state["watch"])
            self.log(f"resuming from epoch {self.epoch}, batch {self.batch}")
            self._forget_what_was_last()
        try:
            for _ in progress(self._batches(), self.recipe.epochs * self.batches):
                pass
        finally:
            self.state.close()
        return self.saved()

    def saved(self) -> list[Saved]:
        """Return the weights files, oldest first."""
        found = []
        for path in self.state.weights.glob(f"{self.kind}_e*_s*.safetensors"):
            epoch, step = (int(part[1:]) for part in path.stem.split("_")[1:])
            found.append(Saved(epoch, step, path))
        return sorted(found, key=lambda file: file.epoch)

    def export(self, weights: Path, version: str, base: Path) -> None:
        """Put the weights files into a folder, and beside them the metrics and how they were trained.

        Args:
            version: Model version.
            base: File of the base weights.
        """
        for file in self.saved():
            link_or_copy(file.path, weights / file.path.name)
        self.state.export_metrics(weights)
        told = {name: value for name, value in asdict(self.recipe).items() if self.heard is None or name in self.heard}
        write_parameters(weights, told, self.precision.name, version, base)

    def _batches(self) -> Iterator[None]:
        for _ in range((self.epoch - 1) * self.batches + self.batch):
            yield
        while self.epoch <= self.recipe.epochs and not self.watch.ends:
            coming = self.order(self.epoch)[self.batch :]
            for batch in read_ahead(self.read, coming, self.precision.device):
                with self._explaining():
                    self.train_on(batch)
                self.batch += 1
                yield
                if self.batch < self.batches:
                    self._checkpoint_if_due()
            self._end_epoch()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Return the advice for a run that diverged."""
        try:
            yield
        except Diverged as error:
            what = f"{error} in epoch {self.epoch} after {self.step} steps"
            raise self.state.after_divergence(what, self.advice, may_pass=self.precision.may_differ) from error

    def _checkpoint_if_due(self) -> None:
        minutes_passed = time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS
        steps_passed = self.checkpoint_steps and self.batch % self.checkpoint_steps == 0
        if minutes_passed or steps_passed or self.stop_requested():
            # What was saved before a spike is the state to go back to.
            if not self.watch.spikes:
                self._checkpoint()
            self.check_stop()

    def _checkpoint(self) -> None:
        begun = time.monotonic()
        position = [self.epoch, self.batch, self.step]
        watch = self.watch.state_dict()
        self.state.save(self.step, {"trainer": self.trainer.state_dict(), "position": position, "watch": watch})
        self._saved_at = time.monotonic()
        self._seconds_to_save = self._saved_at - begun

    def _epoch_checkpoint_is_due(self) -> bool:
        passed = time.monotonic() - self._saved_at
        return self._seconds_to_save < QUICK_SECONDS or self._seconds_to_save <= EPOCH_CHECKPOINTS_TAKE * passed

    def _end_epoch(self) -> None:
        recipe, previous, better = self.recipe, self.watch.best_epoch, False
        with self._explaining():
            row, validation = self.figures()
        if validation is not None:
            better = self.watch.see_epoch(self.epoch, validation)
        if row:
            self.state.log_metrics(self.step, epoch=self.epoch, **row)
        self.peak_memory = peak_memory(self.precision.device)
        shown = "".join(f"{name.replace('_', ' ')} {value:.3f}, " for name, value in row.items())
        self.log(f"epoch {self.epoch} of {recipe.epochs}: {shown}peak memory {self.peak_memory:.2f} GiB")
        last = self.epoch == recipe.epochs or self.watch.ends
        if last or self.epoch % recipe.save_every == 0 or (better and recipe.patience):
            path = self.state.weights / f"{self.kind}_e{self.epoch}_s{self.step}.safetensors"
            # Which epochs are saved must not change the random numbers of the next.
            with torch.random.fork_rng(devices=[]):
                self.write(path)
            self.log(f"saved {path.name}")
        forgotten = better and recipe.patience and previous % recipe.save_every
        if forgotten:
            self._forget(previous)
        self.epoch, self.batch = self.epoch + 1, 0
        if last or forgotten or self.stop_requested() or self._epoch_checkpoint_is_due():
            self._checkpoint()
        if not last:
            self.check_stop()

    def _forget_what_was_last(self) -> None:
        """Delete the last epoch's file of a run with fewer epochs, so that this one has the files it would have had."""
        done, recipe = self.epoch - 1, self.recipe
        goes_on = done < recipe.epochs and not self.watch.ends
        if goes_on and done % recipe.save_every and not (recipe.patience and done == self.watch.best_epoch):
            self._forget(done)

    def _forget(self, epoch: int) -> None:
        self.state.forget(f"{self.kind}_e{epoch}_s*")


def fingerprint(
    recipe: Any, precision: Precision, rows: Any, files: Iterable[Path], *weights: Mapping[str, Tensor]
) -> str:
    """Return the digest of all that a run's weights files depend on.

    Args:
        recipe: A dataclass. Its number of epochs is left out: a run with more of them begins with the same steps.
        rows: What of the items stands in lists, for JSON.
        files: What else is read of them.
        weights: What is started from.
    """
    settings = {name: value for name, value in asdict(recipe).items() if name != "epochs"}
    digest = hashlib.sha256(json.dumps([settings, precision.name, rows]).encode())
    for path in dict.fromkeys(files):
        digest.update(path.read_bytes())
    for tensors in weights:
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode() + tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_ahead(read: Callable[[Items], B], order: Sequence[Items], device: torch.device) -> Iterator[B]:
    """Batches in order, the next one read while the current one is used, for a GPU into memory that it reads itself."""

    def prepared(items: Items) -> B:
        batch = read(items)
        return batch.pin_memory() if device.type == "cuda" else batch

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(prepared, order[0]) if order else None
        for place in range(1, len(order) + 1):
            assert coming is not None
            batch = coming.result()
            coming = reader.submit(prepared, order[place]) if place < len(order) else None
            yield batch
