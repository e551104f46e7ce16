"""One optimizer step of a LoRA of v3 or v4: the reference's recipe (`s2_train_v3_lora.py`).

The transformer learns in which direction a place between noise and mel has to go. In three steps of ten it learns to
take a step of twice the size as it takes two (shortcut models, Frans et al., 2024), so that few steps suffice later.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from voicemill.core.errors import OutOfGpuMemory
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.data import MelBatch
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.sovits.layers import length_mask
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import BETAS, EPS
from voicemill.gpt_sovits.training.monitor import Diverged
from voicemill.gpt_sovits.training.run_state import Precision

SHORTCUT_SHARE = 0.3
"""Of the steps that learn to take larger steps."""
LARGEST_PROMPT = 2 / 3
"""Of a clip that is given as its prompt."""
_COARSEST, _FINEST = 2, 8
"""Halvings of the unit step: 2 to 7."""
_NO_STEP = 1e-2
"""A step that is smaller counts as none."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of a step, on the CPU and for the whole batch: no micro-batch and no device changes them.

    Attributes:
        prompts_B: How much of two thirds of each clip is its prompt.
        times_B: Where between noise and mel.
        noise_BMT: Standard normal.
        halvings_B: How small a step is, for shortcuts.
        shortcut: Whether larger steps are learnt.
    """

    prompts_B: Tensor
    times_B: Tensor
    noise_BMT: Tensor
    halvings_B: Tensor
    shortcut: bool

    @classmethod
    def of(cls, batch: MelBatch, generator: torch.Generator | None = None) -> Draws:
        """Draw the numbers of a step."""
        size = len(batch)
        return cls(
            torch.rand(size, generator=generator),
            torch.rand(size, generator=generator),
            torch.randn(batch.mel_BMT.shape, generator=generator),
            torch.randint(_COARSEST, _FINEST, (size,), generator=generator),
            float(torch.rand((), generator=generator)) < SHORTCUT_SHARE,
        )

    def part(self, place: slice, device: torch.device) -> Draws:
        return Draws(
            self.prompts_B[place].to(device),
            self.times_B[place].to(device),
            self.noise_BMT[place].to(device),
            self.halvings_B[place].to(device),
            self.shortcut,
        )


def prompt_frames(batch: MelBatch, draws: Draws) -> Tensor:
    """Return how many frames of each clip are given."""
    return (draws.prompts_B * (batch.mel_lengths_B * 2 / 3)).floor().long()


def features(model: MelGenerator, batch: MelBatch) -> Tensor:
    """Features `[B, C, T]` of clips; the layers that LoRA training leaves alone compute in single precision."""
    with torch.no_grad(), torch.autocast(batch.ssl_BCT.device.type, enabled=False):
        mask_B1T = length_mask(batch.spec_lengths_B, batch.spec_BFT.shape[-1], batch.spec_BFT.dtype)
        phone_mask_B1P = length_mask(batch.phone_lengths_B, batch.phones_BP.shape[-1], batch.spec_BFT.dtype)
        g_BG1 = model.speaker(batch.spec_BFT, mask_B1T)
        quantized_BCT, _ = model.quantizer(model.ssl_proj(batch.ssl_BCT))
        quantized_BCT = quantized_BCT.repeat_interleave(model.token_frames, dim=2)
        hidden_BCT, _ = model.enc_p.hidden(quantized_BCT, mask_B1T, batch.phones_BP, phone_mask_B1P, g_BG1)
    return model.stretched(hidden_BCT, batch.mel_lengths_B, g_BG1)


def item_losses(model: MelGenerator, batch: MelBatch, draws: Draws) -> Tensor:
    """Mean square error of the velocity of each clip, over the frames after its prompt, `[B]`."""
    features_BCT = features(model, batch)
    T = min(features_BCT.shape[-1], batch.mel_BMT.shape[-1])
    mel_BMT, features_BCT, noise_BMT = batch.mel_BMT[..., :T], features_BCT[..., :T], draws.noise_BMT[..., :T]
    estimator, inside_BT = model.estimator, length_mask(batch.mel_lengths_B, T, torch.bool).squeeze(1)
    given_B1T = length_mask(prompt_frames(batch, draws), T, mel_BMT.dtype)
    time_B11 = draws.times_B.view(-1, 1, 1)
    target_BMT = mel_BMT - noise_BMT
    place_BMT = (noise_BMT + time_B11 * target_BMT) * (1 - given_B1T)
    prompt_BMT = mel_BMT * given_B1T

    def velocity(x_BMT: Tensor, time_B: Tensor, step_B: Tensor) -> Tensor:
        time_BD = estimator.time_embed(time_B) + estimator.d_embed(step_B)
        embedded_BTC = estimator.embed_features(features_BCT)
        return estimator(x_BMT, prompt_BMT, embedded_BTC, time_BD, inside_BT)

    step_B = torch.zeros_like(draws.times_B)
    if draws.shortcut:
        half_B = 0.5**draws.halvings_B
        known_B = half_B.where(half_B >= _NO_STEP, 0)
        with torch.no_grad():
            first_BMT = velocity(place_BMT, draws.times_B, known_B)
            middle_BMT = place_BMT + half_B.view(-1, 1, 1) * first_BMT
            second_BMT = velocity(middle_BMT, draws.times_B + half_B, known_B)
        target_BMT, step_B = (first_BMT + second_BMT) / 2, 2 * half_B
    error_BMT = (velocity(place_BMT, draws.times_B, step_B).float() - target_BMT.float()).square()
    counted_B1T = inside_BT.unsqueeze(1) * (1 - given_B1T)
    return (error_BMT * counted_B1T).sum((1, 2)) / (counted_B1T.sum((1, 2)) * error_BMT.shape[1])


@dataclass
class Step:
    """The loss of a step, and the norm of its gradient."""

    loss: float
    gradient: float


class MelTrainer:
    """A generator with LoRA and its optimizer.

    Args:
        generator: On the device to train on, with LoRA.
        recipe: How.
        precision: Arithmetic, and the device.
        micro_batch: Clips taken through the model at once; halved in place when memory runs out.
        log: Takes messages for the user.
    """

    def __init__(
        self,
        generator: MelGenerator,
        recipe: SovitsRecipe,
        precision: Precision,
        micro_batch: int | None = None,
        log: Callable[[str], None] = lambda message: None,
    ):
        self.generator, self.recipe, self.precision, self.log = generator, recipe, precision, log
        self.micro_batch = micro_batch or recipe.batch_size
        self.learning = lora.trainable(generator)
        self.optimizer = torch.optim.AdamW(
            self.learning.values(), recipe.learning_rate, betas=BETAS, eps=EPS, fused=True
        )
        self.end_epoch()

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    def end_epoch(self) -> None:
        """Lower the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] *= self.recipe.learning_rate_decay

    def step(self, batch: MelBatch, draws: Draws | None = None) -> Step:
        """Train on one batch.

        Args:
            batch: On any device.
            draws: Its random numbers; drawn when None.

        Raises:
            Diverged: If the loss or the gradient is not finite.
            OutOfGpuMemory: If not even a single clip fits.
        """
        draws = draws or Draws.of(batch)
        self.generator.train()
        loss = self._within_memory(batch, draws)
        scaler = self.precision.scaler
        scaler.unscale_(self.optimizer)
        gradients = [parameter.grad for parameter in self.learning.values() if parameter.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if not scaler.is_enabled():
            _finite(norm, "gradient")
        # A scaler leaves out a step whose gradient is not finite, and lowers its scale.
        scaler.step(self.optimizer)
        scaler.update()
        return Step(loss, norm)

    def _within_memory(self, batch: MelBatch, draws: Draws) -> float:
        while True:
            try:
                return self._gather(batch, draws)
            except torch.OutOfMemoryError as error:
                if self.micro_batch == 1:
                    raise OutOfGpuMemory(
                        "one clip does not fit into the GPU's memory; train with --gradient-checkpointing, or slice "
                        "with a smaller --max-seconds"
                    ) from error
            # Outside the handler, whose traceback would keep the tensors of the failed try alive.
            self.micro_batch = (min(self.micro_batch, len(batch)) + 1) // 2
            torch.cuda.empty_cache()
            self.log(f"out of GPU memory: continuing with a micro-batch of {self.micro_batch}")

    def _gather(self, batch: MelBatch, draws: Draws) -> float:
        """Return the loss of a batch, whose gradients are added up over its micro-batches."""
        self.optimizer.zero_grad()
        total, device = 0.0, self.precision.device
        for start in range(0, len(batch), self.micro_batch):
            place = slice(start, start + self.micro_batch)
            with self.precision.autocast():
                losses_B = item_losses(self.generator, batch.part(place).to(device), draws.part(place, device))
            loss = losses_B.sum() / len(batch)
            total += _finite(float(loss.detach()), "loss")
            self.precision.scaler.scale(loss).backward()
        return total

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step and what is kept depend on, but for the base and the random numbers."""
        return {
            "learning": {name: parameter.detach() for name, parameter in self.learning.items()},
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, parameter in self.learning.items():
                parameter.copy_(state["learning"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])


def _finite(number: float, name: str) -> float:
    """Return a number that the step may go on with.

    Raises:
        Diverged: It is none.
    """
    if not math.isfinite(number):
        raise Diverged(f"the {name} became {number}")
    return number
