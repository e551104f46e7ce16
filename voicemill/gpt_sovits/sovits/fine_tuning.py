"""A SoVITS fine-tuning run: epochs over a dataset folder, weights files, and a state that survives a kill."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from voicemill.errors import InputError
from voicemill.gpt_sovits.checkpoints import SovitsCheckpoint, build_generator, load_exactly, load_sovits, save_sovits
from voicemill.gpt_sovits.runs import Precision, RunState, first_micro_batch
from voicemill.gpt_sovits.sovits.data import Batch, Example, Item, batches, collate, load, make_buckets
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import WaveNet
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.training import Losses, Recipe, Trainer
from voicemill.gpt_sovits.sovits.validation import validation_losses
from voicemill.gpt_sovits.sovits.vocoder import ResidualBlock
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
        base: Generator to start from, with the posterior encoder, as published base files have it.
        judge: Weights of the discriminator to start from.
        items: What to train on; each can be loaded.
        repeats: How often an epoch goes through the items.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        check_stop: Called where the run can be gone on from; raises to stop it.
        stop_requested: Whether `check_stop` would raise.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        held_out: Clips that are not trained on, for the validation loss of each epoch.
        recompute_layers: Gradient checkpointing: less memory, more time.
        checkpoint_steps: Save the state after so many steps, besides every five minutes and every epoch.
        say: Takes messages for the user.

    Raises:
        InputError: If there are no items, or the weights do not fit.
    """

    def __init__(
        self,
        base: SovitsCheckpoint,
        judge: dict[str, torch.Tensor],
        items: list[Item],
        repeats: int,
        recipe: Recipe,
        state_folder: Path,
        precision: Precision,
        *,
        check_stop: Callable[[], None] = lambda: None,
        stop_requested: Callable[[], bool] = lambda: False,
        micro_batch_divisor: int = 1,
        held_out: Sequence[Item] = (),
        recompute_layers: bool = False,
        checkpoint_steps: int | None = None,
        say: Callable[[str], None] = lambda message: None,
    ):
        self.items, self.held_out = items * repeats, held_out
        self.buckets, _ = make_buckets([item.frames for item in self.items])
        if not self.buckets:
            raise InputError("no clip is left to train on; see the ledger for what became of each")
        self.base, self.recipe, self.say = base, recipe, say
        self.check_stop, self.stop_requested, self.checkpoint_steps = check_stop, stop_requested, checkpoint_steps
        generator, discriminator = start_models(base, judge)
        if recompute_layers:
            recompute(module for module in generator.modules() if isinstance(module, ResidualBlock | WaveNet))
        longest = max(item.frames for item in items)
        fixed, each = memory_needs(generator, discriminator, precision, longest, recomputed=recompute_layers)
        micro = first_micro_batch(recipe.batch_size, each, fixed, precision.device, micro_batch_divisor)
        self.trainer = Trainer(
            generator.to(precision.device), discriminator.to(precision.device), recipe, precision, micro, say
        )
        self.state = RunState(state_folder, self._fingerprint(judge), say)
        self.epoch, self.position, self.step = 1, 0, 0
        self.watch = Watch(recipe.patience)
        self.peak_memory = 0.0
        self._saved_at = time.monotonic()

    def run(self, progress: Progress = lambda steps, total: steps) -> list[Saved]:
        """Train to the last epoch, from the state where there is one.

        Args:
            progress: Sees one element a step.

        Returns:
            The weights files in the state folder, oldest first; the last epoch is always among them.
        """
        torch.manual_seed(self.recipe.seed)
        state = self.state.load()
        if state:
            self.trainer.load_state_dict(state["trainer"])
            self.epoch, self.position, self.step = state["position"]
            self.watch.load_state_dict(state["watch"])
            self.say(f"going on from epoch {self.epoch}, step {self.position}")
        for _ in progress(self._steps(), self.recipe.epochs * len(self._order(1))):
            pass
        self.state.close()
        return self._saved()

    def _order(self, epoch: int) -> list[list[int]]:
        return batches(self.buckets, self.recipe.batch_size, self.recipe.seed + epoch)

    def _steps(self) -> Iterator[None]:
        for _ in range(self.step):
            yield
        while self.epoch <= self.recipe.epochs and not self.watch.ends:
            for batch in read_ahead(self.items, self._order(self.epoch)[self.position :]):
                self._train_on(batch)
                yield
                self._checkpoint_if_due()
            self._end_epoch()

    def _train_on(self, batch: Batch) -> None:
        try:
            losses = self.trainer.step(batch)
            self.watch.see_step(losses.generator)
        except Diverged as error:
            raise self.state.after_divergence(
                f"{error} in epoch {self.epoch} after {self.step} steps",
                "train with a smaller --learning-rate, or look for damaged clips",
                may_pass=self.trainer.precision.may_differ,
            ) from error
        self.step += 1
        self.position += 1
        rate = self.trainer.optimizer_g.param_groups[0]["lr"]
        self.state.log(self.step, epoch=self.epoch, learning_rate=rate, **_row(losses))

    def _checkpoint_if_due(self) -> None:
        minutes_passed = time.monotonic() - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS
        steps_passed = self.checkpoint_steps and self.step % self.checkpoint_steps == 0
        if minutes_passed or steps_passed or self.stop_requested():
            # What was saved before a spike is the state to go back to.
            if not self.watch.spikes:
                self._checkpoint()
            self.check_stop()

    def _checkpoint(self) -> None:
        position = [self.epoch, self.position, self.step]
        watch = self.watch.state_dict()
        self.state.save(self.step, {"trainer": self.trainer.state_dict(), "position": position, "watch": watch})
        self._saved_at = time.monotonic()

    def _end_epoch(self) -> None:
        self.trainer.end_epoch()
        previous, better, shown = self.watch.best_epoch, False, ""
        if self.held_out:
            examples, trainer = map(load, self.held_out), self.trainer
            row = validation_losses(trainer.generator, examples, self.recipe, trainer.precision)
            better = self.watch.see_epoch(self.epoch, sum(row.values()))
            self.state.log(self.step, epoch=self.epoch, **{f"loss_validation_{name}": x for name, x in row.items()})
            shown = "".join(f"validation {name} {value:.3f}, " for name, value in row.items())
        self.peak_memory = peak_memory(self.trainer.device)
        self.say(f"epoch {self.epoch} of {self.recipe.epochs}: {shown}peak memory {self.peak_memory:.2f} GiB")
        last = self.epoch == self.recipe.epochs or self.watch.ends
        if last or self.epoch % self.recipe.save_every == 0 or (better and self.recipe.patience):
            self._save_weights()
        if better and self.recipe.patience and previous % self.recipe.save_every:
            self.state.forget(f"sovits_e{previous}_s*")
        self.epoch, self.position = self.epoch + 1, 0
        self._checkpoint()
        if not last:
            self.check_stop()

    def _save_weights(self) -> None:
        path = self.state.weights / f"sovits_e{self.epoch}_s{self.step}.safetensors"
        info = f"{self.epoch}epoch_{self.step}iteration"
        weights = self.trainer.generator.state_dict()
        save_sovits(path, replace(self.base, weights=weights, info=info))
        prove(path, load(self.items[0]))
        self.say(f"saved {path.name}")

    def _saved(self) -> list[Saved]:
        saved = []
        for path in self.state.weights.glob("sovits_e*_s*.safetensors"):
            epoch, step = (int(part[1:]) for part in path.stem.split("_")[1:])
            saved.append(Saved(epoch, step, path))
        return sorted(saved, key=lambda file: file.epoch)

    def _fingerprint(self, judge: dict[str, torch.Tensor]) -> str:
        """Digest of all that the weights files depend on."""
        items = [*self.items, *self.held_out]
        rows = [[item.name, item.phones] for item in items]
        digest = hashlib.sha256(json.dumps([asdict(self.recipe), self.trainer.precision.name, rows]).encode())
        for item in dict.fromkeys(items):
            for path in (item.wav, item.ssl, item.speaker):
                digest.update(path.read_bytes() if path else b"")
        for weights in (self.base.weights, judge):
            for name, tensor in sorted(weights.items()):
                digest.update(name.encode() + tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def start_models(base: SovitsCheckpoint, judge: dict[str, torch.Tensor]) -> tuple[Generator, Discriminator]:
    """The two models with the weights to start from.

    Raises:
        InputError: If the weights do not fit, or the generator is one for speaking only.
    """
    if not any(key.startswith("enc_q.") for key in base.weights):
        raise InputError("the SoVITS base weights lack the posterior encoder; training needs a base file, not a voice")
    # Random initial weights would only be thrown away.
    with torch.device("meta"):
        generator = Generator(base.config)
        discriminator = Discriminator(base.config.discriminator_periods, Discriminator.width_of(judge))
    load_exactly(generator, base.weights)
    load_exactly(discriminator, judge)
    return generator, discriminator


def memory_needs(
    generator: Generator, judge: Discriminator, precision: Precision, frames: int, *, recomputed: bool = False
) -> tuple[float, float]:
    """Bytes that training takes whatever the batch, and for each item of so many frames.

    Fixed: weights, gradients and two optimizer tensors, 4 bytes each. For an item: on the full-size v2 model a step of
    two 4 s clips in fp32 takes 2.4 GB over the fixed part, two thirds of it in the vocoder and the discriminators,
    whose segment has one length; half precision halves it.
    """
    parameters = sum(p.numel() for model in (generator, judge) for p in model.parameters())
    width = generator.config.upsample_initial_channel / 512
    halves = 1.0 if precision.dtype == torch.float32 else 0.5
    halves *= 0.65 if recomputed else 1.0
    return 16.0 * parameters, halves * (0.8e9 * width + 0.4e9 * frames / 200)


def read_ahead(items: list[Item], order: list[list[int]]) -> Iterator[Batch]:
    """Batches in order, the next one read while the current one is used.

    Raises:
        InputError: If a clip cannot be read any more.
    """

    def read(indices: list[int]) -> Batch:
        return collate([load(items[i]) for i in indices])

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, order[0]) if order else None
        for following in [*order[1:], None]:
            if coming is None:
                return
            batch = coming.result()
            coming = reader.submit(read, following) if following else None
            yield batch


def prove(path: Path, example: Example) -> None:
    """Load a weights file and speak a second with it, as its user will.

    Raises:
        InputError: If what it says is not sound.
    """
    model = build_generator(load_sovits(path))
    codes = model.extract_codes(example.ssl_1CT)[..., :25]
    vectors = None if example.speaker_vector_1S is None else [example.speaker_vector_1S]
    noise = torch.zeros(1, model.config.inter_channels, codes.shape[-1] * model.token_frames)
    wav = model.decode(
        codes, example.phones_P.unsqueeze(0), [example.spec_FT.unsqueeze(0)], speaker_vectors=vectors, noise=noise
    )
    if not wav.isfinite().all():
        raise InputError(
            f"{path.name} does not speak: its output is not a number; train with a smaller --learning-rate"
        )


def _row(losses: Losses) -> dict[str, float]:
    return {name if name.startswith("gradient") else f"loss_{name}": value for name, value in asdict(losses).items()}
