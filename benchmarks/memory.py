"""How much memory a training step takes: weights, gradients and optimizer, and what is kept for the way back.

    python -m benchmarks.memory [--versions v2,v2Pro,v2ProPlus,v3,v4] [--seconds 4] [--recompute] [--card 7500]

Full size, random weights, one clip, fp32, on the CPU but by the operations that a GPU is given. What is kept is the
most bytes that tensors saved by autograd had at the same time, each storage once, weights left out. Half precision
keeps about half of it, by which `--card`, the MiB of a card, tells how many clips fit at once. The token model's
attention keeps its weights on a CPU, which a GPU computes again.
"""

from __future__ import annotations

import argparse
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from voicemill.gpt_sovits.features.spectrogram import HOP, SAMPLE_RATE
from voicemill.gpt_sovits.flow_matching.data import MelBatch
from voicemill.gpt_sovits.flow_matching.dit import BANDS, Block, DitSizes
from voicemill.gpt_sovits.flow_matching.lora import add_lora
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.flow_matching.training import MelTrainer
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND, GptConfig
from voicemill.gpt_sovits.gpt.data import Batch as GptBatch
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.gpt.training import Trainer as GptTrainer
from voicemill.gpt_sovits.kernels import cpu
from voicemill.gpt_sovits.sovits.config import SPEAKER_CHANNELS, SovitsConfig, Version
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import WaveNet
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import Trainer
from voicemill.gpt_sovits.sovits.vocoder import ResidualBlock
from voicemill.gpt_sovits.training.monitor import recompute
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.gpt_sovits.versions import spec

FP32 = Precision("fp32", torch.device("cpu"))
PHONES_PER_SECOND = 15
GIB = 2**30
CUDA_GIB = 0.5
"""What CUDA takes of a card before anything is computed."""


class Kept:
    """Counts the bytes that autograd keeps, while it is entered.

    Args:
        models: Their parameters and buffers are not counted.
    """

    def __init__(self, *models: nn.Module):
        own = [tensor for model in models for tensor in (*model.parameters(), *model.buffers())]
        self.own = {tensor.untyped_storage().data_ptr() for tensor in own}
        self.users: dict[int, int] = {}
        self.bytes = self.most = 0
        self.hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: _Held(self, tensor), lambda held: held.tensor
        )

    def __enter__(self) -> Kept:
        self.hooks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.hooks.__exit__(*error)

    def take(self, key: int, size: int) -> None:
        self.users[key] = self.users.get(key, 0) + 1
        if self.users[key] == 1:
            self.bytes += size
            self.most = max(self.most, self.bytes)

    def leave(self, key: int, size: int) -> None:
        self.users[key] -= 1
        if not self.users[key]:
            del self.users[key]
            self.bytes -= size


class _Held:
    """A saved tensor: counted as long as the graph holds it."""

    def __init__(self, kept: Kept, tensor: Tensor):
        storage = tensor.untyped_storage()
        self.kept, self.tensor, self.key, self.size = kept, tensor, storage.data_ptr(), storage.nbytes()
        if self.key not in kept.own:
            kept.take(self.key, self.size)

    def __del__(self):
        if self.key not in self.kept.own:
            self.kept.leave(self.key, self.size)


def sovits(version: Version, seconds: float, *, recomputed: bool) -> tuple[float, float]:
    """GiB of weights, gradients and AdamW, and GiB kept for a clip."""
    config = SovitsConfig.of(version)
    generator, discriminator = Generator(config), Discriminator(config.discriminator_periods)
    if recomputed:
        recompute(module for module in generator.modules() if isinstance(module, ResidualBlock | WaveNet))
    frames, phones = round(seconds * SAMPLE_RATE / HOP), round(seconds * PHONES_PER_SECOND)
    batch = Batch(
        torch.randn(1, 768, frames),
        torch.rand(1, config.spec_channels, frames),
        torch.tensor([frames]),
        torch.rand(1, 1, frames * HOP) * 0.1,
        torch.randint(0, config.symbols, (1, phones)),
        torch.tensor([phones]),
        torch.randn(1, SPEAKER_CHANNELS) if config.is_pro else None,
    )
    trainer = Trainer(generator, discriminator, SovitsRecipe(batch_size=1), FP32)
    with Kept(generator, discriminator) as kept:
        trainer.step(batch)
    parameters = sum(p.numel() for model in (generator, discriminator) for p in model.parameters())
    return 16 * parameters / GIB, kept.most / GIB


def mel_sovits(version: Version, seconds: float, *, recomputed: bool) -> tuple[float, float]:
    """GiB of weights, and of gradients and AdamW of what a LoRA of rank 32 learns, and GiB kept for a clip."""
    model = MelGenerator(SovitsConfig.of(version), DitSizes())
    add_lora(model.estimator, SovitsRecipe().lora_rank)
    if recomputed:
        recompute(module for module in model.modules() if isinstance(module, Block | WaveNet))
    frames, phones = round(seconds * SAMPLE_RATE / HOP), round(seconds * PHONES_PER_SECOND)
    mel_frames = int(frames * model.mel.stretch)
    batch = MelBatch(
        torch.randn(1, 768, frames),
        torch.rand(1, model.config.spec_channels, frames),
        torch.tensor([frames]),
        torch.randn(1, BANDS, mel_frames),
        torch.tensor([mel_frames]),
        torch.randint(0, model.config.symbols, (1, phones)),
        torch.tensor([phones]),
    )
    trainer = MelTrainer(model, SovitsRecipe(batch_size=1), FP32)
    with Kept(model) as kept:
        trainer.step(batch)
    parameters = [p.numel() for p in model.parameters()]
    learnt = [p.numel() for p in trainer.learning.values()]
    return (4 * sum(parameters) + 12 * sum(learnt)) / GIB, kept.most / GIB


def gpt(seconds: float, *, recomputed: bool) -> tuple[float, float]:
    """GiB of weights, gradients and ScaledAdam (with its stacked copies), and GiB kept for a clip."""
    model = Gpt(GptConfig()).train()
    if recomputed:
        recompute(model.h["layers"].children())
    phones, tokens = round(seconds * PHONES_PER_SECOND), round(seconds * TOKENS_PER_SECOND)
    batch = GptBatch(
        torch.randint(0, 732, (1, phones)),
        torch.tensor([phones]),
        torch.randint(0, 1024, (1, tokens)),
        torch.tensor([tokens]),
        torch.randn(1, 1024, phones),
    )
    trainer = GptTrainer(model, GptRecipe(batch_size=1), FP32, micro_batch=1)
    with Kept(model) as kept:
        trainer.add(batch)
    return 28 * sum(p.numel() for p in model.parameters()) / GIB, kept.most / GIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default="v2,v2Pro,v2ProPlus", help="SoVITS versions, with commas")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    parser.add_argument("--card", type=int, default=0, help="MiB of a card: tell how many clips fit")
    parser.add_argument("--recompute", action="store_true", help="with gradient checkpointing")
    options = parser.parse_args()
    # What is made for CPUs keeps less.
    with mock.patch.object(cpu, "_applies", return_value=False):
        report(options)


def report(options: argparse.Namespace) -> None:
    """Print a row for each model."""
    print(f"one clip of {options.seconds:g} s, fp32{', gradient checkpointing' if options.recompute else ''}")
    for version in options.versions.split(","):
        count = mel_sovits if spec(version).mel else sovits
        fixed, kept = count(version, options.seconds, recomputed=options.recompute)
        fits = ""
        if options.card:
            clips = (options.card / 1024 - CUDA_GIB - fixed) / (kept / 2)
            fits = f", clips at once in half precision on {options.card} MiB: {clips:.1f}"
        print(
            f"SoVITS {version:10s} weights, gradients, optimizer {fixed:.2f} GiB, kept {kept:.2f} GiB{fits}", flush=True
        )
    fixed, kept = gpt(options.seconds, recomputed=options.recompute)
    print(f"token model       weights, gradients, optimizer {fixed:.2f} GiB, kept {kept:.2f} GiB")


if __name__ == "__main__":
    main()
