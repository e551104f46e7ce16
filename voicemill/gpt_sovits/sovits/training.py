"""One optimizer step of SoVITS fine-tuning: the reference's recipe (`s2_train.py`).

The discriminator steps first; the generator is then judged by the updated one. A batch that does not fit into memory is
taken in parts whose gradients add up to the whole batch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from voicemill.core.errors import OutOfGpuMemory
from voicemill.gpt_sovits.features.spectrogram import HOP, mel_of_linear, mel_spectrogram
from voicemill.gpt_sovits.sovits import losses
from voicemill.gpt_sovits.sovits.config import SEGMENT_FRAMES
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator, split_real_fake
from voicemill.gpt_sovits.sovits.layers import computed_once, cut_segments
from voicemill.gpt_sovits.sovits.model import Generator, Segments, TrainingOutput
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.training.monitor import Diverged
from voicemill.gpt_sovits.training.run_state import Precision

if TYPE_CHECKING:
    from transformers import HubertModel

BETAS = (0.8, 0.99)
EPS = 1e-9
"""Of AdamW; GPT-SoVITS trains every version with them."""


@dataclass
class Losses:
    """Losses of one step, weighted as they are summed in `generator`, and the norms of the gradients."""

    discriminator: float = 0.0
    generator: float = 0.0
    adversarial: float = 0.0
    features: float = 0.0
    mel: float = 0.0
    commit: float = 0.0
    kl: float = 0.0
    content: float = 0.0
    gradient_d: float = 0.0
    gradient_g: float = 0.0


def gradient_norm(module: nn.Module) -> Tensor:
    """L2 norm over all gradients."""
    return nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])


def averaged(module: nn.Module, steps: int) -> AveragedModel:
    """A moving average of a module's parameters: the plain mean of the first so many updates, and from then on each
    update counts for one of them.
    """

    def update(averages: Any, parameters: Any, before: Tensor | int) -> None:
        decay = 1 - 1 / min(steps, int(before) + 1)
        get_ema_multi_avg_fn(decay)(averages, parameters, before)

    return AveragedModel(module, multi_avg_fn=update)


class Trainer:
    """The two models with their optimizers.

    Args:
        generator: On the device to train on, like the discriminator.
        micro_batch: Items taken through the models at once; halved in place when memory runs out.
        log: Takes messages for the user.
        encoder: Content encoder on the same device, if the recipe listens by one.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        recipe: SovitsRecipe,
        precision: Precision,
        micro_batch: int | None = None,
        log: Callable[[str], None] = lambda message: None,
        encoder: HubertModel | None = None,
    ):
        if recipe.content_loss_weight and encoder is None:
            raise ValueError("a recipe with a content weight needs a content encoder")
        self.encoder = encoder and encoder.requires_grad_(False)
        self.generator, self.discriminator, self.recipe, self.precision = generator, discriminator, recipe, precision
        self.micro_batch, self.log, self.steps = micro_batch or recipe.batch_size, log, 0
        self.device = precision.device
        if recipe.trainable == "prior":
            for module in (generator.dec, generator.enc_q, generator.ref_enc):
                module.requires_grad_(False)
        elif recipe.trainable == "vocoder":
            generator.requires_grad_(False)
            generator.dec.requires_grad_(True)
        text = [generator.enc_p.text_embedding, generator.enc_p.encoder_text, generator.enc_p.mrte]
        slow = [list(part.parameters()) for part in text]
        of_text = {id(p) for part in slow for p in part}
        rest = [p for p in generator.parameters() if id(p) not in of_text]
        rate, slow_rate = recipe.learning_rate, recipe.learning_rate * recipe.text_learning_rate_scale
        groups = [{"params": rest, "lr": rate}, *({"params": part, "lr": slow_rate} for part in slow)]
        self.optimizer_g, self.optimizer_d = (
            torch.optim.AdamW(parameters, rate, betas=BETAS, eps=EPS, fused=True)
            for parameters in (groups, discriminator.parameters())
        )
        self._average = averaged(generator, recipe.ema_steps) if recipe.ema_steps else None
        self.end_epoch()

    def end_epoch(self) -> None:
        """Lower the learning rates."""
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] *= self.recipe.learning_rate_decay

    def step(self, batch: Batch, noise_BCT: Tensor | None = None, places_B: Tensor | None = None) -> Losses:
        """Train on one batch.

        Args:
            noise_BCT: Standard normal noise of the posterior; drawn when None.
            places_B: Where in [0, 1) the segments are cut; drawn when None.

        Raises:
            Diverged: If a loss is not finite.
            OutOfGpuMemory: If not even a single item fits.
        """
        # Drawn for the whole batch and on the CPU: neither the micro-batch nor the device changes what is trained on.
        shape = (len(batch), self.generator.config.inter_channels, batch.spec_BFT.shape[-1])
        noise_BCT = torch.randn(shape) if noise_BCT is None else noise_BCT
        places_B = torch.rand(len(batch)) if places_B is None else places_B
        losses = self._step(Whole(batch, noise_BCT, places_B))
        self.steps += 1
        if self._average is not None:
            self._average.update_parameters(self.generator)
        return losses

    @property
    def ema_generator(self) -> Generator:
        """The generator as it is to be kept: the average where there is one."""
        return self.generator if self._average is None else cast(Generator, self._average.module)

    def _step(self, whole: Whole) -> Losses:
        self.generator.train()
        self.discriminator.train()
        step, passed = Losses(), None
        if self.is_judged:
            passed = self._within_memory(self._discriminator_phase, whole, step, None)
        self._within_memory(self._generator_phase, whole, step, passed)
        self.precision.scaler.update()
        return step

    @property
    def is_judged(self) -> bool:
        """Whether the discriminator takes part in the next step."""
        return self.steps >= self.recipe.discriminator_start_step and self.recipe.trainable != "prior"

    def _within_memory(self, phase: Callable, whole: Whole, step: Losses, passed: Any) -> Any:
        while True:
            try:
                return phase(whole, step, passed)
            except torch.OutOfMemoryError as error:
                passed = None
                if self.micro_batch == 1:
                    raise OutOfGpuMemory(
                        "one clip does not fit into the GPU's memory; slice with a smaller --max-seconds"
                    ) from error
            # Outside the handler, whose traceback would keep the tensors of the failed try alive.
            self.micro_batch = (min(self.micro_batch, len(whole.batch)) + 1) // 2
            torch.cuda.empty_cache()
            self.log(f"out of GPU memory: continuing with a micro-batch of {self.micro_batch}")

    def _generate(self, part: _Part) -> Segments:
        batch, drawn = part.batch, {"noise_BCT": part.noise_BCT, "places_B": part.places_B}
        with self.precision.autocast():
            if self.recipe.trainable == "vocoder":
                return self.generator.resynthesize(
                    batch.spec_BFT, batch.spec_lengths_B, batch.speaker_vectors_BS, **drawn
                )
            vocoded = self.recipe.trainable == "all"
            copied = self.recipe.content_loss_weight > 0 or (self.recipe.adversarial_on_prior and vocoded)
            return self.generator(*batch.for_generator(), **drawn, vocoded=vocoded, copied=copied)

    def _discriminator_phase(self, whole: Whole, step: Losses, _: None) -> Segments | None:
        """Update the discriminator; returns the generator's pass if the batch was taken at once, to be used again."""
        step.discriminator = 0.0
        self.optimizer_d.zero_grad()
        parts, output = whole.parts(self.micro_batch, self.device), None
        for part in parts:
            with torch.set_grad_enabled(len(parts) == 1):
                output = self._generate(part)
            with self.precision.autocast():
                # Together, because each pass lays the weights out anew.
                real_B1L, made = part.segments(output.starts_B), self._judged(output)
                judgements = self.discriminator(torch.cat([real_B1L, *(wave_B1L.detach() for wave_B1L in made)]))
                real, fake = split_real_fake(judgements, len(real_B1L))
            loss = part.share * torch.stack(losses.discriminator_losses(real, fake)).sum()
            step.discriminator += self._finite(loss, "discriminator's loss")
            self.precision.scaler.scale(loss).backward()
        step.gradient_d = self._update(self.optimizer_d, self.discriminator)
        return output if len(parts) == 1 else None

    def _generator_phase(self, whole: Whole, step: Losses, passed: Segments | None) -> None:
        for name in ("generator", "adversarial", "features", "mel", "commit", "kl", "content"):
            setattr(step, name, 0.0)
        self.optimizer_g.zero_grad()
        # Its gradients would be computed for nothing.
        self.discriminator.requires_grad_(False)
        try:
            with computed_once(self.discriminator):
                for part in whole.parts(self.micro_batch, self.device):
                    terms = self._terms(part, passed or self._generate(part))
                    loss = torch.stack(list(terms.values())).sum()
                    step.generator += self._finite(loss, "generator's loss")
                    for name, term in terms.items():
                        setattr(step, name, getattr(step, name) + self._number(term))
                    self.precision.scaler.scale(loss).backward()
        finally:
            self.discriminator.requires_grad_(True)
        step.gradient_g = self._update(self.optimizer_g, self.generator)

    def _update(self, optimizer: torch.optim.Optimizer, module: nn.Module) -> float:
        self.precision.scaler.unscale_(optimizer)
        norm = gradient_norm(module)
        # A scaler leaves out such a step by itself and lowers its scale.
        norm = self._number(norm) if self.precision.scaler.is_enabled() else self._finite(norm, "gradient")
        self.precision.scaler.step(optimizer)
        return norm

    def _number(self, value: Tensor) -> float:
        return float(value.detach())

    def _finite(self, value: Tensor, name: str) -> float:
        """Return a number that the step may go on with.

        Raises:
            Diverged: It is none.
        """
        number = self._number(value)
        if not math.isfinite(number):
            raise Diverged(f"the {name} became {number}")
        return number

    def _terms(self, part: _Part, output: Segments) -> dict[str, Tensor]:
        """Return the generator's losses on a part, weighted so that those of all parts add up to the batch's."""
        terms = self._heard(part, output)
        if isinstance(output, TrainingOutput):
            kl = losses.kl_sum(output.z_p_BCT, output.logs_q_BCT, output.m_p_BCT, output.logs_p_BCT, output.mask_B1T)
            terms["kl"] = self.recipe.kl_weight * kl / part.frames_of_whole
            if self.recipe.trainable == "prior":
                return terms
            terms["commit"] = part.share * output.commit_loss
        if self.is_judged:
            terms |= self._judgement(part, output)
        mel = cut_segments(mel_of_linear(part.batch.spec_BFT), output.starts_B, SEGMENT_FRAMES)
        made_B1L = output.wav_B1L.float()
        mel_loss = F.l1_loss(mel, mel_spectrogram(made_B1L.squeeze(1)))
        if self.recipe.mel_resolutions > 1:
            finer = losses.finer_mel_losses(part.segments(output.starts_B), made_B1L, self.recipe.mel_resolutions - 1)
            mel_loss = torch.stack([mel_loss, *finer]).mean()
        return terms | {"mel": part.share * self.recipe.mel_weight * mel_loss}

    def _heard(self, part: _Part, output: Segments) -> dict[str, Tensor]:
        if not self.recipe.content_loss_weight or self.encoder is None:
            return {}
        waves = [output.wav_B1L, output.copy_B1L] if isinstance(output, TrainingOutput) else [output.wav_B1L]
        made = [wave_B1L for wave_B1L in waves if wave_B1L.shape[-1]]
        with self.precision.autocast():
            distances = losses.content_losses(self.encoder, part.segments(output.starts_B), made)
        return {"content": part.share * self.recipe.content_loss_weight * torch.stack(distances).mean()}

    def _judgement(self, part: _Part, output: Segments) -> dict[str, Tensor]:
        with self.precision.autocast():
            with torch.no_grad():
                real = self.discriminator(part.segments(output.starts_B))
            fake = self.discriminator(torch.cat(self._judged(output)))
        # A copy has pitch and pace of its own: none of its features has to be where the recording has it.
        comparable, _ = split_real_fake(fake, len(output.wav_B1L))
        return {
            "adversarial": part.share * torch.stack(losses.adversarial_losses(fake)).sum(),
            "features": part.share * losses.feature_loss(real, comparable),
        }

    def _judged(self, output: Segments) -> list[Tensor]:
        """Return the waves that the discriminator is to tell from recordings."""
        copies = [output.copy_B1L] if self.recipe.adversarial_on_prior and isinstance(output, TrainingOutput) else []
        return [output.wav_B1L, *copies]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step and what is kept depend on, but for the random numbers."""
        parts = (self.generator, self.discriminator, self.optimizer_g, self.optimizer_d, self.precision.scaler)
        average = {} if self._average is None else {"average": self._average.state_dict()}
        return {str(i): part.state_dict() for i, part in enumerate(parts)} | {"steps": self.steps} | average

    def load_state_dict(self, state: dict[str, Any]) -> None:
        parts = (self.generator, self.discriminator, self.optimizer_g, self.optimizer_d, self.precision.scaler)
        for i, part in enumerate(parts):
            part.load_state_dict(state[str(i)])
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group.update(lr=float(group["lr"]), capturable=False)
        self.steps = state["steps"]
        if self._average is not None:
            self._average.load_state_dict(state["average"])


@dataclass
class _Part:
    """A micro-batch with its share of the whole batch."""

    batch: Batch
    noise_BCT: Tensor
    places_B: Tensor
    share: float
    frames_of_whole: Tensor

    def segments(self, starts_B: Tensor) -> Tensor:
        """Return the recorded waves where the generated ones are."""
        return cut_segments(self.batch.wav_B1L, starts_B * HOP, SEGMENT_FRAMES * HOP)


@dataclass
class Whole:
    """A batch with the random numbers that are drawn for it."""

    batch: Batch
    noise_BCT: Tensor
    places_B: Tensor

    def parts(self, size: int, device: torch.device) -> list[_Part]:
        frames = self.batch.spec_lengths_B.sum()
        made, start = [], 0
        for batch in self.batch.split(size):
            rows = slice(start, start + len(batch))
            made.append(
                _Part(
                    batch.to(device),
                    self.noise_BCT[rows].to(device),
                    self.places_B[rows],
                    len(batch) / len(self.batch),
                    frames,
                )
            )
            start += len(batch)
        return made
