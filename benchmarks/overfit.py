"""Whether SoVITS training learns: one clip, a small model, a few hundred steps from random weights.

    python -m benchmarks.overfit CLIP [--steps 200] [--seconds 3]

Prints the mel L1 of the training segments (the loss before its weight of 45) at the start and at the end, and that of
the whole clip spoken from its own semantic tokens, before and after; then, as a check that the tokens carry the speech,
with the tokens in random order. HuBERT's place is taken by a random projection of the clip's mel spectrogram, and the
codebook is fitted to it by k-means, so that the figures need no model files.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from voicemill.audio import reading
from voicemill.gpt_sovits.features.spectrogram import HOP, MEL_BANDS, SAMPLE_RATE, linear_spectrogram, mel_of_linear
from voicemill.gpt_sovits.sovits.config import SSL_CHANNELS, SovitsConfig
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import Trainer
from voicemill.gpt_sovits.training.run_state import Precision

CONFIG = SovitsConfig(
    inter_channels=32, hidden_channels=96, filter_channels=192, n_layers=2, p_dropout=0.0, upsample_initial_channel=64
)
DISCRIMINATOR_WIDTH = 64
CODES = 64
COPIES = 2
LEARNING_RATE = 6e-4
"""From random weights; at 1e-3 the prior's encoders, with norms after the sums, stop telling tokens apart."""


@dataclass
class Clip:
    """One clip with stand-ins for its features and its text."""

    wav_1L: Tensor
    spec_1FT: Tensor
    ssl_1CT: Tensor
    phones_1P: Tensor

    @property
    def mel_1MT(self) -> Tensor:
        return mel_of_linear(self.spec_1FT)

    def batch(self, copies: int) -> Batch:
        frames, phones = self.spec_1FT.shape[-1], self.phones_1P.shape[-1]
        return Batch(
            self.ssl_1CT.repeat(copies, 1, 1),
            self.spec_1FT.repeat(copies, 1, 1),
            torch.full((copies,), frames),
            self.wav_1L.repeat(copies, 1, 1),
            self.phones_1P.repeat(copies, 1),
            torch.full((copies,), phones),
        )


def read_clip(path: Path, seconds: float) -> Clip:
    samples = torch.from_numpy(reading.read_mono(path, SAMPLE_RATE)[: int(seconds * SAMPLE_RATE)])
    wav_1L = samples[: len(samples) // (2 * HOP) * 2 * HOP].unsqueeze(0)
    spec = linear_spectrogram(wav_1L)
    mel = mel_of_linear(spec)
    normalised = (mel - mel.mean(2, keepdim=True)) / mel.std(2, keepdim=True)
    projection = torch.randn(SSL_CHANNELS, MEL_BANDS, generator=torch.Generator().manual_seed(0)) / MEL_BANDS**0.5
    return Clip(wav_1L, spec, projection @ normalised, torch.tensor([[0]]))


def fit_codebook(model: Generator, clip: Clip) -> None:
    """Spread the codes over the clip's features; the rest of the codebook stays out of reach."""
    with torch.no_grad():
        frames = model.ssl_proj(clip.ssl_1CT)[0].T
        centres, _ = kmeans2(frames.numpy(), CODES, minit="++", rng=0)
        model.codebook.embed.fill_(1e3)
        model.codebook.embed[:CODES] = torch.from_numpy(centres)


def spoken_l1(model: Generator, clip: Clip, codes: Tensor) -> float:
    """Mel L1 between the clip and what the model speaks from tokens, with the clip as its own reference."""
    model.eval()
    wav = model.decode(codes, clip.phones_1P, [clip.spec_1FT], noise_scale=0.0)
    return float((mel_of_linear(linear_spectrogram(wav[:, 0])) - clip.mel_1MT).abs().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()

    torch.manual_seed(1234)
    clip = read_clip(arguments.clip, arguments.seconds)
    model, discriminator = Generator(CONFIG), Discriminator(CONFIG.discriminator_periods, DISCRIMINATOR_WIDTH)
    fit_codebook(model, clip)
    codes = model.extract_codes(clip.ssl_1CT)
    shuffled = codes[..., torch.randperm(codes.shape[-1])]
    recipe = SovitsRecipe(batch_size=COPIES, learning_rate=LEARNING_RATE, text_learning_rate_scale=1.0)
    trainer = Trainer(model, discriminator, recipe, Precision("fp32", torch.device("cpu")))

    sizes = [sum(p.numel() for p in m.parameters()) / 1e6 for m in (model, discriminator)]
    print(
        f"{arguments.clip.name}: {clip.wav_1L.shape[-1] / SAMPLE_RATE:.2f} s, {codes.shape[-1]} tokens of which",
        end=" ",
    )
    print(f"{codes.unique().numel()} differ; generator {sizes[0]:.1f} M, discriminator {sizes[1]:.2f} M parameters")
    before = spoken_l1(model, clip, codes)
    mel, began = [], time.perf_counter()
    for step in range(1, arguments.steps + 1):
        losses = trainer.step(clip.batch(COPIES))
        mel.append(losses.mel / recipe.mel_weight)
        if step == 1 or step % 20 == 0:
            print(
                f"step {step:4}: mel L1 {mel[-1]:.3f}, KL {losses.kl:.2f}, adversarial {losses.adversarial:.2f}",
                flush=True,
            )
    seconds = (time.perf_counter() - began) / arguments.steps
    first, last = mel[0], sum(mel[-10:]) / 10
    after, wrong = spoken_l1(model, clip, codes), spoken_l1(model, clip, shuffled)
    print(f"{seconds:.2f} s a step with {torch.get_num_threads()} threads")
    print(
        f"training segments, mel L1: {first:.3f} at the first step, {last:.3f} over the last ten ({last / first:.0%})"
    )
    print(f"spoken from its tokens:    {before:.3f} untrained, {after:.3f} trained ({after / before:.0%})")
    print(f"tokens in random order:    {wrong:.3f}")


if __name__ == "__main__":
    main()
