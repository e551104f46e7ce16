"""What a GPU does with full-size models: training steps, speaking, and the memory that they take.

    python -m benchmarks.gpu [--repeat 10] [--cap 6]

Random weights. Each line gives the median time of a repeated piece of work and the most memory that tensors took. With
--cap the process may take so many GiB of the GPU and no more, as on a smaller card: training then has to find by itself
how much of a batch goes through at once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.measured import inputs
from voicemill.gpt_sovits.features.spectrogram import HOP, SAMPLE_RATE
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND, GptConfig
from voicemill.gpt_sovits.gpt.data import Batch as GptBatch
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.gpt.training import Trainer as GptTrainer
from voicemill.gpt_sovits.sovits.config import SPEAKER_CHANNELS, SovitsConfig, Version
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import Trainer
from voicemill.gpt_sovits.training.run_state import Precision

PHONES_PER_SECOND = 15
GIB = 2**30


@dataclass
class Gpu:
    """Where it is measured.

    Attributes:
        repeat: How often each piece of work is done, besides twice before.
    """

    device: torch.device
    repeat: int

    def measure(self, name: str, work: Callable[[], Any], note: Callable[[Any, float], str] = lambda _, s: "") -> Any:
        """Print a line for a piece of work; gives its last answer."""
        self._settle()
        work()
        work()
        self._settle()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds, answer = [], None
        for _ in range(self.repeat):
            start = time.perf_counter()
            answer = work()
            self._settle()
            seconds.append(time.perf_counter() - start)
        median = statistics.median(seconds)
        taken = torch.cuda.max_memory_allocated() / GIB if self.device.type == "cuda" else float("nan")
        print(f"{name:58s} {1000 * median:8.1f} ms {taken:6.2f} GiB  {note(answer, median)}", flush=True)
        return answer

    def _settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def sovits_batch(config: SovitsConfig, clips: int, seconds: float) -> Batch:
    """Random clips of equal length."""
    frames, phones = round(seconds * SAMPLE_RATE / HOP), round(seconds * PHONES_PER_SECOND)
    return Batch(
        torch.randn(clips, 768, frames) * 0.3,
        torch.rand(clips, config.spec_channels, frames),
        torch.full((clips,), frames),
        torch.rand(clips, 1, frames * HOP) * 0.1,
        torch.randint(0, config.symbols, (clips, phones)),
        torch.full((clips,), phones),
        torch.randn(clips, SPEAKER_CHANNELS) if config.is_pro else None,
    )


def gpt_batch(clips: int, seconds: float) -> GptBatch:
    """Random clips of equal length."""
    phones, tokens = round(seconds * PHONES_PER_SECOND), round(seconds * TOKENS_PER_SECOND)
    return GptBatch(
        torch.randint(0, 732, (clips, phones)),
        torch.full((clips,), phones),
        torch.randint(0, 1024, (clips, tokens)),
        torch.full((clips,), tokens),
        torch.zeros(clips, 1024, phones),
    )


def train_sovits(gpu: Gpu, version: Version, precision: str, clips: int, seconds: float) -> None:
    """A step of generator and discriminator."""
    config = SovitsConfig.of(version)
    models = Generator(config).to(gpu.device), Discriminator(config.discriminator_periods).to(gpu.device)
    trainer = Trainer(*models, SovitsRecipe(batch_size=clips), Precision(precision, gpu.device), log=print)
    batch = sovits_batch(config, clips, seconds)
    gpu.measure(
        f"SoVITS {version}, {precision}: step of {clips} clips of {seconds:g} s",
        lambda: trainer.step(batch),
        lambda losses, _: f"loss {losses.generator:.1f}, {trainer.micro_batch} clips at once",
    )


def train_gpt(gpu: Gpu, precision: str, clips: int, seconds: float) -> None:
    """A batch and a step of the optimizer."""
    model = Gpt(GptConfig()).to(gpu.device).train()
    trainer = GptTrainer(model, GptRecipe(batch_size=clips), Precision(precision, gpu.device), clips, print)
    batch = gpt_batch(clips, seconds)

    def step() -> None:
        trainer.add(batch)
        trainer.update()

    gpu.measure(
        f"token model, {precision}: step of {clips} clips of {seconds:g} s",
        step,
        lambda *_: f"{trainer.micro_batch} clips at once",
    )


def speak_tokens(gpu: Gpu, dtype: torch.dtype, rows: int, *, graphs: bool) -> list[Tensor]:
    """200 greedy tokens of each of so many lines."""
    torch.manual_seed(7)
    model = Gpt(GptConfig()).eval()
    # EOS never has the best score: every run is as long as asked.
    model.ar_predict_layer.weight.data[model.config.eos] = 0
    decoder, given = Decoder(model.to(gpu.device, dtype), graphs=graphs), inputs("s1_infer")

    def speak() -> list[Tensor]:
        rest = {"max_tokens": [given["n_tokens"]] * rows, "seeds": [0] * rows}
        phones, bert, prompts = ([given[name][0]] * rows for name in ("phones", "bert", "prompt"))
        return generate(decoder, phones, bert, prompts, Sampling(top_k=1), **rest)

    how = "CUDA graphs" if graphs else "no graphs"
    return gpu.measure(
        f"token model, {str(dtype)[6:]}, {how}: 200 tokens of {rows} lines",
        speak,
        lambda _, seconds: f"{200 * rows / seconds:.0f} tokens/s",
    )


def speak_sound(gpu: Gpu, dtype: torch.dtype) -> None:
    """8 s of sound from tokens."""
    given = inputs("s2_decode")
    model = Generator(SovitsConfig()).for_inference().to(gpu.device, dtype)
    codes, text, refer = (given[name].to(gpu.device) for name in ("codes", "text", "refer"))
    gpu.measure(
        f"SoVITS v2, {str(dtype)[6:]}: 8 s of sound",
        lambda: model.decode(codes, text, [refer.to(dtype)]),
        lambda _, seconds: f"{8 / seconds:.0f} times as fast as it is heard",
    )


def report(gpu: Gpu) -> None:
    """All lines."""
    spoken = speak_tokens(gpu, torch.float32, 1, graphs=True)
    plain = speak_tokens(gpu, torch.float32, 1, graphs=False)
    same = int((spoken[0] == plain[0]).sum())
    print(f"  {same} of {len(plain[0])} tokens are the same with graphs and without")
    speak_tokens(gpu, torch.float16, 1, graphs=True)
    speak_tokens(gpu, torch.float16, 1, graphs=False)
    speak_tokens(gpu, torch.float16, 16, graphs=True)
    speak_sound(gpu, torch.float32)
    speak_sound(gpu, torch.float16)
    for precision in ("fp32", "bf16"):
        train_sovits(gpu, "v2", precision, 4, 4.0)
    train_sovits(gpu, "v2ProPlus", "bf16", 4, 4.0)
    train_sovits(gpu, "v2", "bf16", 8, 10.0)
    for precision in ("fp32", "bf16"):
        train_gpt(gpu, precision, 8, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10, help="times each piece of work is done")
    parser.add_argument("--cap", type=float, help="GiB of the GPU's memory that may be taken")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no GPU was found; benchmarks.training and benchmarks.synthesis measure a CPU")
    device = torch.device("cuda")
    whole = torch.cuda.get_device_properties(device).total_memory / GIB
    print(f"{torch.cuda.get_device_name()}, {whole:.0f} GiB, torch {torch.__version__}")
    if options.cap:
        torch.cuda.set_per_process_memory_fraction(options.cap / whole)
        print(f"at most {options.cap:g} GiB")
    report(Gpu(device, options.repeat))


if __name__ == "__main__":
    main()
