"""A run that trains a LoRA of v3 or v4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from voicemill.core.errors import InputError, UsageError
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.data import MelBatch, collate
from voicemill.gpt_sovits.flow_matching.dit import BANDS, Block
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.flow_matching.sampling import sample
from voicemill.gpt_sovits.flow_matching.training import Draws, MelTrainer, item_losses
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint
from voicemill.gpt_sovits.sovits.data import BOUNDARIES, Clips, Example, Item, batches, load, make_buckets
from voicemill.gpt_sovits.sovits.layers import WaveNet
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.training import loop
from voicemill.gpt_sovits.training.monitor import recompute
from voicemill.gpt_sovits.training.run_state import Precision, first_micro_batch

HEARD = (
    "epochs",
    "min_clips_per_epoch",
    "batch_size",
    "save_every",
    "patience",
    "learning_rate",
    "learning_rate_decay",
    "lora_rank",
    "seed",
)
"""Of the recipe, what a LoRA is trained by."""


class MelFineTuning(loop.FineTuning[list[int], MelBatch]):
    """One run.

    Args:
        base: Generator to start from.
        items: What to train on; each can be loaded.
        repeats: How often an epoch goes through the items.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        micro_batch_divisor: Divides the first micro-batch, after tries that ran out of memory.
        held_out: Clips that are not trained on, for the validation loss of each epoch.
        recompute_layers: Gradient checkpointing: less memory, more time.
        hooks: See `loop.Hooks`.

    Raises:
        InputError: Without items, or the weights do not fit.
        UsageError: The recipe asks for what only other versions have.
    """

    trainer: MelTrainer
    recipe: SovitsRecipe
    kind = "sovits"
    heard = HEARD
    advice = "train with a lower --learning-rate, or look for damaged clips"

    def __init__(
        self,
        base: SovitsCheckpoint,
        items: list[Item],
        repeats: int,
        recipe: SovitsRecipe,
        state_folder: Path,
        precision: Precision,
        *,
        micro_batch_divisor: int = 1,
        held_out: Sequence[Item] = (),
        recompute_layers: bool = False,
        **hooks: Unpack[loop.Hooks],
    ):
        check_recipe(recipe, base.version)
        self.base, self.items, self.held_out = base, items * repeats, held_out
        longest_allowed = base.config.spec.longest_clip
        boundaries = [boundary for boundary in BOUNDARIES if boundary <= longest_allowed]
        self.buckets, _ = make_buckets([item.frames for item in self.items], boundaries)
        if not self.buckets:
            raise InputError("no clip is left to train on; see the ledger for the reasons")
        # A run that resumes must begin with the LoRA that it began with.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            generator = start_model(base, recipe.lora_rank)
        if recompute_layers:
            recompute(module for module in generator.modules() if isinstance(module, Block | WaveNet))
        self.clips = Clips(self.items, precision.device)
        longest = max(item.frames for item in items)
        fixed, each = memory_needs(generator, precision, longest, recomputed=recompute_layers)
        micro = first_micro_batch(recipe.batch_size, each, fixed, precision.device, micro_batch_divisor)
        log = hooks.get("log", lambda message: None)
        trainer = MelTrainer(generator.to(precision.device), recipe, precision, micro, log)
        used = [*self.items, *held_out]
        rows = [[item.name, item.phones] for item in used]
        files = [path for item in used for path in (item.wav, item.ssl)]
        digest = loop.fingerprint(recipe, precision, rows, files, base.weights)
        super().__init__(trainer, recipe, state_folder, digest, precision, hooks)

    def order(self, epoch: int) -> list[list[int]]:
        return batches(self.buckets, self.recipe.batch_size, self.recipe.seed + epoch)

    def read(self, items: list[int]) -> MelBatch:
        return collate([self.clips[index] for index in items], self.trainer.generator.mel)

    def train_on(self, batch: MelBatch) -> None:
        rate = self.trainer.rate
        made = self.trainer.step(batch)
        self.watch.see_step(made.loss)
        self.step += 1
        row = {"loss_mel": made.loss, "gradient_g": made.gradient}
        self.state.log_metrics(self.step, epoch=self.epoch, learning_rate=rate, **row)

    def figures(self) -> tuple[dict[str, float], float | None]:
        self.trainer.end_epoch()
        if not self.held_out:
            return {}, None
        loss = validation_loss(self.trainer.generator, self.held_out, self.precision)
        return {"loss_validation_mel": loss}, loss

    def write(self, path: Path) -> None:
        info = f"{self.epoch}epoch_{self.step}iteration"
        made = lora_checkpoint(self.base, self.trainer.generator, self.recipe.lora_rank, info)
        checkpoints.save_sovits(path, made)
        prove(path, self.base, load(self.items[0]))


def check_recipe(recipe: SovitsRecipe, version: str) -> None:
    """Refuse a recipe that asks for what the training of a LoRA has not.

    Raises:
        UsageError: It does; names the option.
    """
    usual = SovitsRecipe()
    others = [field.name for field in fields(recipe) if field.name not in HEARD]
    changed = [name for name in others if getattr(recipe, name) != getattr(usual, name)]
    if changed:
        option = changed[0].replace("_", "-")
        raise UsageError(f"--{option} is for versions with a GAN; a LoRA of {version} is trained without it")


def start_model(base: SovitsCheckpoint, rank: int) -> MelGenerator:
    """Return the base with a LoRA that does not change anything yet.

    Raises:
        InputError: If the weights do not fit, or are themselves a LoRA.
    """
    if base.lora_rank:
        raise InputError("the SoVITS base weights are a LoRA; training needs a base file, not a voice")
    generator = checkpoints.mel_generator(base)
    lora.add_lora(generator.estimator, rank)
    return generator


def lora_checkpoint(base: SovitsCheckpoint, generator: MelGenerator, rank: int, info: str) -> SovitsCheckpoint:
    """Return what a voice keeps of a trained generator: the LoRA, and the layers that were trained whole."""
    # The version stands where the reference's own training writes it; a base's own configuration may lack it.
    hps: dict[str, Any] = {**base.hps, "model": {**base.hps.get("model", {}), "version": base.version}}
    weights = lora.of_lora_file(generator.state_dict())
    return replace(base, weights=weights, info=info, hps=hps, lora_rank=rank)


def memory_needs(
    generator: MelGenerator, precision: Precision, frames: int, *, recomputed: bool = False
) -> tuple[float, float]:
    """Return the bytes that training takes whatever the batch, and for each clip of so many spectrogram frames.

    Fixed: what does not learn takes its weights alone, what learns also gradients and two optimizer tensors, 4 bytes
    each. For a clip: on the full-size model a step in fp32 keeps 0.11 GB and 1.25 MB for each mel frame, with gradient
    checkpointing 0.2 MB (counted at 1, 4 and 8 s by `python -m benchmarks.memory --versions v3,v4`); half precision
    halves it.
    """
    learns = sum(p.numel() for name, p in generator.named_parameters() if ".lora_" in name)
    learns += sum(p.numel() for name, p in generator.named_parameters() if name.startswith(lora.TRAINED_WHOLE))
    whole = sum(p.numel() for p in generator.parameters())
    halves = 1.0 if precision.dtype == torch.float32 else 0.5
    width = generator.sizes.width * generator.sizes.layers / (1024 * 22)
    each = (0.2e6 if recomputed else 1.25e6) * halves * width * frames * generator.mel.stretch
    return 4.0 * whole + 12.0 * learns + 0.11e9 * halves * width, each


@torch.no_grad()
def validation_loss(generator: MelGenerator, items: Sequence[Item], precision: Precision) -> float:
    """Loss on clips that are not trained on: without dropout, with the same noise, times and prompts each time."""
    generator.eval()
    total = 0.0
    for number, item in enumerate(items):
        batch = collate([load(item)], generator.mel)
        draws = replace(Draws.of(batch, torch.Generator().manual_seed(number)), shortcut=False)
        with precision.autocast():
            losses_B = item_losses(generator, batch.to(precision.device), draws.part(slice(None), precision.device))
        total += float(losses_B.mean())
    return total / len(items)


def prove(path: Path, base: SovitsCheckpoint, example: Example) -> None:
    """Load a weights file and draw a second with it, as its user will.

    Raises:
        InputError: If what it draws is not sound.
    """
    model = checkpoints.build_mel_generator(checkpoints.load_sovits(path), base)
    codes = model.extract_codes(example.ssl_1CT)[..., :25]
    g_BG1 = model.speaker(example.spec_FT.unsqueeze(0).cpu())
    features = model.features(codes.cpu(), example.phones_P.unsqueeze(0).cpu(), g_BG1)
    frames = features.shape[-1]
    drawn = sample(model.estimator, features, torch.zeros(1, BANDS, 0), torch.zeros(1, BANDS, frames), 1)
    if not drawn.isfinite().all():
        raise InputError(f"{path.name} is unusable: its output is NaN or Inf; train with a lower --learning-rate")
