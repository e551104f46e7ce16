"""A SoVITS fine-tuning run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats.checkpoints import (
    SovitsCheckpoint,
    build_generator,
    export_discriminator,
    export_sovits,
    load_exactly,
    load_sovits,
    save_sovits,
)
from voicemill.gpt_sovits.sovits.cuda_graph import CudaGraphTrainer
from voicemill.gpt_sovits.sovits.data import Batch, Clips, Example, Item, batches, collate, load, make_buckets
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import WaveNet
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import Losses, Trainer
from voicemill.gpt_sovits.sovits.validation import validation_losses
from voicemill.gpt_sovits.sovits.vocoder import ResidualBlock
from voicemill.gpt_sovits.training import loop
from voicemill.gpt_sovits.training.monitor import recompute
from voicemill.gpt_sovits.training.run_state import Precision, first_micro_batch
from voicemill.gpt_sovits.uninitialized import Uninitialized

if TYPE_CHECKING:
    from transformers import HubertModel


class FineTuning(loop.FineTuning[list[int], Batch]):
    """One run.

    Args:
        base: Generator to start from, with the posterior encoder, as published base files have it.
        discriminator_weights: Weights of the discriminator to start from.
        items: What to train on; each can be loaded.
        repeats: How often an epoch goes through the items.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        held_out: Clips that are not trained on, for the validation loss of each epoch.
        recompute_layers: Gradient checkpointing: less memory, more time.
        encoder: Content encoder, if the recipe listens by one.
        hooks: See `fine_tuning.Hooks`.

    Raises:
        InputError: Without items, or the weights do not fit.
    """

    trainer: Trainer
    recipe: SovitsRecipe
    kind = "sovits"
    advice = "train with a lower --learning-rate, or look for damaged clips"

    def __init__(
        self,
        base: SovitsCheckpoint,
        discriminator_weights: dict[str, torch.Tensor],
        items: list[Item],
        repeats: int,
        recipe: SovitsRecipe,
        state_folder: Path,
        precision: Precision,
        *,
        micro_batch_divisor: int = 1,
        held_out: Sequence[Item] = (),
        recompute_layers: bool = False,
        encoder: HubertModel | None = None,
        **hooks: Unpack[loop.Hooks],
    ):
        self.base, self.items, self.held_out = base, items * repeats, held_out
        self.buckets, _ = make_buckets([item.frames for item in self.items])
        if not self.buckets:
            raise InputError("no clip is left to train on; see the ledger for the reasons")
        generator, discriminator = start_models(base, discriminator_weights)
        if recompute_layers:
            recompute(module for module in generator.modules() if isinstance(module, ResidualBlock | WaveNet))
        self.clips = Clips(self.items, precision.device)
        longest = max(item.frames for item in items)
        extra = {"recomputed": recompute_layers, "averaged": recipe.ema_steps > 0}
        fixed, each = memory_needs(generator, discriminator, precision, longest, **extra)
        micro = first_micro_batch(recipe.batch_size, each, fixed, precision.device, micro_batch_divisor)
        models = (generator.to(precision.device), discriminator.to(precision.device))
        if encoder is not None:
            encoder = encoder.to(precision.device)  # pyright: ignore[reportArgumentType]
        settings = (*models, recipe, precision, micro, hooks.get("log", lambda message: None), encoder)
        used = [*self.items, *held_out]
        copied = recipe.content_loss_weight or recipe.adversarial_on_prior
        recordable = recipe.segment_frames and not copied and not precision.scaler.is_enabled()
        if recordable and precision.device.type == "cuda":
            trainer = CudaGraphTrainer(*settings, phones=max(len(item.phones) for item in used))
        else:
            trainer = Trainer(*settings)
        rows = [[item.name, item.phones] for item in used]
        files = [path for item in used for path in (item.wav, item.ssl, item.speaker) if path]
        listener = {} if encoder is None else encoder.state_dict()
        digest = loop.fingerprint(recipe, precision, rows, files, base.weights, discriminator_weights, listener)
        super().__init__(trainer, recipe, state_folder, digest, precision, hooks)

    def order(self, epoch: int) -> list[list[int]]:
        return batches(self.buckets, self.recipe.batch_size, self.recipe.seed + epoch)

    def read(self, items: list[int]) -> Batch:
        examples = [self.clips[index] for index in items]
        if frames := self.recipe.segment_frames:
            rng = [np.random.default_rng([self.recipe.seed, self.epoch, index]) for index in items]
            examples = [example.cropped(frames, one) for example, one in zip(examples, rng, strict=True)]
        return collate(examples)

    def train_on(self, batch: Batch) -> None:
        losses = self.trainer.step(batch)
        self.watch.see_step(losses.generator)
        self.step += 1
        rate = float(self.trainer.optimizer_g.param_groups[0]["lr"])
        self.state.log_metrics(self.step, epoch=self.epoch, learning_rate=rate, **_row(losses))

    def figures(self) -> tuple[dict[str, float], float | None]:
        self.trainer.end_epoch()
        if not self.held_out:
            return {}, None
        row = validation_losses(self.trainer.ema_generator, map(load, self.held_out), self.recipe, self.precision)
        return {f"loss_validation_{name}": value for name, value in row.items()}, sum(row.values())

    def write(self, path: Path) -> None:
        info = f"{self.epoch}epoch_{self.step}iteration"
        save_sovits(path, replace(self.base, weights=self.trainer.ema_generator.state_dict(), info=info))
        prove(path, load(self.items[0]))

    def write_base(self, folder: Path) -> None:
        """Write the models as they are to be kept as files that a training starts from: `s2G.pth` and `s2D.pth`."""
        folder.mkdir()
        weights, info = self.trainer.ema_generator.state_dict(), f"{self.epoch - 1}epoch_{self.step}iteration"
        export_sovits(folder / "s2G.pth", replace(self.base, weights=weights, info=info), as_base=True)
        export_discriminator(folder / "s2D.pth", self.trainer.discriminator.state_dict(), self.base.hps)


def start_models(
    base: SovitsCheckpoint, discriminator_weights: dict[str, torch.Tensor]
) -> tuple[Generator, Discriminator]:
    """Return the two models with the weights to start from.

    Raises:
        InputError: If the weights do not fit, or the generator is one for speaking only.
    """
    if not any(key.startswith("enc_q.") for key in base.weights):
        raise InputError("the SoVITS base weights lack the posterior encoder; training needs a base file, not a voice")
    with Uninitialized():
        generator = Generator(base.config)
        discriminator = Discriminator(base.config.discriminator_periods, Discriminator.width_of(discriminator_weights))
    load_exactly(generator, base.weights)
    load_exactly(discriminator, discriminator_weights)
    return generator, discriminator


def memory_needs(
    generator: Generator,
    discriminator: Discriminator,
    precision: Precision,
    frames: int,
    *,
    recomputed: bool = False,
    averaged: bool = False,
) -> tuple[float, float]:
    """Return the bytes that training takes whatever the batch, and for each item of so many frames.

    Fixed: weights, gradients and two optimizer tensors, 4 bytes each, and the generator's average if there is one. For
    an item: on the full-size v2 model a step of two 4 s clips in fp32 takes 2.4 GB over the fixed part, two thirds of
    it in the vocoder and the discriminators, whose segment has one length; half precision halves it.
    """
    parameters = sum(p.numel() for model in (generator, discriminator) for p in model.parameters())
    width = generator.config.upsample_initial_channel / 512
    halves = 1.0 if precision.dtype == torch.float32 else 0.5
    halves *= 0.65 if recomputed else 1.0
    average = 4.0 * sum(p.numel() for p in generator.parameters()) if averaged else 0.0
    return 16.0 * parameters + average, halves * (0.8e9 * width + 0.4e9 * frames / 200)


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
        raise InputError(f"{path.name} is unusable: its output is NaN or Inf; train with a lower --learning-rate")


def _row(losses: Losses) -> dict[str, float]:
    return {name if name.startswith("gradient") else f"loss_{name}": value for name, value in asdict(losses).items()}
