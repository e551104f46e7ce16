"""A small content encoder in HuBERT's format, taught which phone is said when.

The network is transformers' `HubertModel`, narrow before its last layers; what it gives away is as wide as the public
HuBERT's features. A linear layer on them is trained to name the phone of every frame, which the synthesizer knows, on
speech that is equalized, reverberated, made noisy and played faster or slower, so that little but the content is left.

Shapes: B batch, L samples at 16 kHz, T frames (50 a second), C = 768 channels, K phones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

from voicemill.audio.reading import read_mono
from voicemill.audio.resampling import resample
from voicemill.gpt_sovits.features.hubert import HOP, RATE
from voicemill.gpt_sovits.features.pretrained import quiet
from voicemill.gpt_sovits.sovits.config import SSL_CHANNELS
from voicemill.gpt_sovits.training import loop
from voicemill.gpt_sovits.training.monitor import Diverged
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.pretraining import augmentation
from voicemill.pretraining.corpus import frame_phones
from voicemill.pretraining.flite import PHONES, Segment
from voicemill.pretraining.recipe import EncoderRecipe

WINDOW = 400
"""Samples that the first frame is made of; each later one begins `HOP` samples after the one before."""
CROP_SECONDS = 2.0


@dataclass(frozen=True)
class Item:
    """A clip and which phone is when in it."""

    name: str
    wav: Path
    segments: tuple[Segment, ...]


class Batch(NamedTuple):
    """Crops of clips, and the phone of each of their frames."""

    wav_BL: Tensor
    phones_BT: Tensor

    def pin_memory(self) -> Batch:
        return Batch(*(part.pin_memory() for part in self))

    def to(self, device: torch.device) -> Batch:
        return Batch(*(part.to(device, non_blocking=True) for part in self))


def configuration(layers: int = 1) -> HubertConfig:
    """Sizes: what is computed often is narrow. The normalisation of the first layer makes it deaf to the level."""
    return HubertConfig(
        hidden_size=SSL_CHANNELS,
        num_hidden_layers=layers,
        num_attention_heads=8,
        intermediate_size=512,
        conv_dim=[48, 64, 96, 128, 160, 192, 256],
        num_conv_pos_embeddings=17,
        num_conv_pos_embedding_groups=16,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.05,
        feat_proj_dropout=0.05,
        layerdrop=0.0,
        apply_spec_augment=False,
    )


class PhoneClassifier(nn.Module):
    """The encoder and the layer that names phones, which only training needs."""

    def __init__(self, config: HubertConfig):
        super().__init__()
        self.encoder = HubertModel(config)
        self.head = nn.Linear(config.hidden_size, len(PHONES))

    def forward(self, wav_BL: Tensor) -> Tensor:
        """Scores `[B, T, K]`."""
        return self.head(self.encoder(wav_BL).last_hidden_state)


class Trainer:
    """The model with its optimizer.

    Attributes:
        total: Steps of the whole run, for the learning rate.
    """

    def __init__(self, model: PhoneClassifier, recipe: EncoderRecipe, precision: Precision, total: int):
        self.model, self.recipe, self.precision, self.total, self.steps = model, recipe, precision, total, 0
        self.optimizer = torch.optim.AdamW(
            model.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )

    @property
    def learning_rate(self) -> float:
        rise = min(1.0, (self.steps + 1) / self.recipe.warmup_steps)
        return self.recipe.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * self.steps / self.total))

    def step(self, batch: Batch) -> tuple[float, float]:
        """Train on a batch.

        Returns:
            Cross-entropy in nats, and the share of frames whose phone was named rightly.

        Raises:
            Diverged: If the loss is not finite.
        """
        self.model.train()
        batch = batch.to(self.precision.device)
        with self.precision.autocast():
            scores_BTK = self.model(batch.wav_BL)
        loss = F.cross_entropy(scores_BTK.float().flatten(0, 1), batch.phones_BT.flatten(), label_smoothing=0.1)
        if not math.isfinite(float(loss.detach())):
            raise Diverged(f"the loss became {float(loss.detach())}")
        self.optimizer.param_groups[0]["lr"] = self.learning_rate
        self.optimizer.zero_grad()
        self.precision.scaler.scale(loss).backward()
        self.precision.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        self.steps += 1
        right = (scores_BTK.argmax(-1) == batch.phones_BT).float().mean()
        return float(loss.detach()), float(right)

    @torch.no_grad()
    def accuracy(self, batch: Batch) -> tuple[float, float]:
        """Cross-entropy and share of right frames on what is not trained on."""
        self.model.eval()
        batch = batch.to(self.precision.device)
        scores_BTK = self.model(batch.wav_BL).float()
        loss = F.cross_entropy(scores_BTK.flatten(0, 1), batch.phones_BT.flatten())
        return float(loss), float((scores_BTK.argmax(-1) == batch.phones_BT).float().mean())

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, but for the random numbers."""
        parts = {"model": self.model, "optimizer": self.optimizer, "scaler": self.precision.scaler}
        return {name: part.state_dict() for name, part in parts.items()} | {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]


class Training(loop.FineTuning[list[int], Batch]):
    """One run.

    Args:
        items: What to train on.
        held_out: What to measure on after each epoch.
        config: Sizes of the encoder.
        recipe: How.
        state_folder: Where the run's state and weights files are kept.
        precision: Arithmetic, and the device.
        hooks: See `fine_tuning.Hooks`.
    """

    trainer: Trainer
    recipe: EncoderRecipe
    kind = "encoder"
    advice = "train with a lower --learning-rate"

    def __init__(
        self,
        items: Sequence[Item],
        held_out: Sequence[Item],
        config: HubertConfig,
        recipe: EncoderRecipe,
        state_folder: Path,
        precision: Precision,
        **hooks: Unpack[loop.Hooks],
    ):
        self.items, self.held_out, self.config, self.recipe = list(items), list(held_out), config, recipe
        torch.manual_seed(recipe.seed)
        model = PhoneClassifier(config).to(precision.device)
        trainer = Trainer(model, recipe, precision, recipe.epochs * len(self.order(1)))
        rows = [[item.name, [(s.phone, s.end) for s in item.segments]] for item in (*items, *held_out)]
        digest = loop.fingerprint(
            recipe, precision, [rows, recipe.epochs, config.to_json_string()], [item.wav for item in items]
        )
        super().__init__(trainer, recipe, state_folder, digest, precision, hooks)

    def order(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng([self.recipe.seed, epoch])
        places, size = rng.permutation(len(self.items)).tolist(), self.recipe.batch_size
        # Each item's number goes with its epoch, so that every pass hears it otherwise.
        batches = [places[i : i + size] for i in range(0, len(places), size)]
        return [[epoch, *batch] for batch in batches]

    def read(self, items: list[int]) -> Batch:
        epoch, *places = items
        rng = [np.random.default_rng([self.recipe.seed, epoch, place]) for place in places]
        return collate([crop(self.items[place], one) for place, one in zip(places, rng, strict=True)])

    def train_on(self, batch: Batch) -> None:
        rate = self.trainer.learning_rate
        loss, right = self.trainer.step(batch)
        self.watch.see_step(loss)
        self.step += 1
        self.state.log_metrics(self.step, epoch=self.epoch, learning_rate=rate, loss=loss, accuracy=right)

    def figures(self) -> tuple[dict[str, float], float | None]:
        if not self.held_out:
            return {}, None
        pairs = [self.trainer.accuracy(collate([whole(item)])) for item in self.held_out]
        loss, right = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        return {"validation_loss": loss, "validation_accuracy": right}, loss

    def export_encoder(self, folder: Path) -> None:
        """Put the last epoch's encoder, in transformers' form, the metrics and the recipe into a folder."""
        save_encoder(self.saved()[-1].path, self.config, folder / "hubert")
        self.state.export_metrics(folder)
        parameters = asdict(self.recipe) | {"precision": self.precision.name}
        (folder / "parameters.json").write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")

    def write(self, path: Path) -> None:
        from safetensors.torch import save_file

        save_file({name: value.half().contiguous() for name, value in self.trainer.model.state_dict().items()}, path)


def save_encoder(weights: Path, config: HubertConfig, folder: Path) -> None:
    """Write a weights file of a run as transformers' folder, without the layer that names phones."""
    from safetensors.torch import load_file

    model = PhoneClassifier(config)
    model.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    with quiet():
        model.encoder.half().save_pretrained(folder)


def whole(item: Item) -> tuple[np.ndarray, list[int]]:
    """Return a clip as it is: float32 `[L]` at 16 kHz, and the phone of each frame."""
    return labelled(read_mono(item.wav, RATE), list(item.segments))


def labelled(wav: np.ndarray, segments: list[Segment]) -> tuple[np.ndarray, list[int]]:
    """Return a waveform with the phones of its frames."""
    frames = (len(wav) - WINDOW) // HOP + 1
    return wav, frame_phones(segments, frames, HOP / RATE, WINDOW / 2 / RATE)


def crop(item: Item, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Some seconds of a clip, played faster or slower and with another sound, and the phone of each frame."""
    speed = float(np.exp(rng.uniform(-0.2, 0.2)))
    wav = resample(read_mono(item.wav, RATE), round(RATE * speed / 100) * 100, RATE)
    speed = round(RATE * speed / 100) * 100 / RATE
    length = round(CROP_SECONDS * RATE)
    start = int(rng.integers(0, max(1, len(wav) - length)))
    wav = wav[start : start + length]
    wav = augmentation.disguise(np.pad(wav, (0, length - len(wav))), RATE, rng)
    return labelled(wav, [Segment(s.phone, s.end / speed - start / RATE) for s in item.segments] + [Segment("pau", 99)])


def collate(examples: Sequence[tuple[np.ndarray, list[int]]]) -> Batch:
    """Examples of equal length as a batch."""
    wavs, phones = zip(*examples, strict=True)
    return Batch(torch.from_numpy(np.stack(wavs).astype(np.float32)), torch.tensor(phones))
