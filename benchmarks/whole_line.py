"""A whole line by each runtime and precision, side by side on the CPU: text to sound, and the sound of given tokens.

    python -m benchmarks.whole_line [--version v2] [--rounds 3] [--seconds 5] [--voice VOICE --graphs FP32 INT8]

Without a voice, of full size with seeded random weights, whose lines end at their length limit. Every round asks each
in turn: torch and torch int8, and ONNX Runtime for all (`voicemill voices export --onnx`) in fp32 and int8. Printed are
CPU seconds of loading, of a line, and of the sound alone of as many tokens; medians of the rounds, how many times as
fast as torch each is, and how far the tokens and the samples of a shorter line are from torch's with the same seeds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch

from benchmarks.first_sound import TEXT, make_models, make_voice
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.onnx.quantization import Weights
from voicemill.gpt_sovits.synthesis import Options, Speech
from voicemill.gpt_sovits.synthesis.parts import Part
from voicemill.synthesis.exporting import export_graphs
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.reference_features import add_to_voice
from voicemill.synthesis.speaking import SpeakingVoice, load_voice
from voicemill.text import BY_DICTIONARIES

WARMING_TOKENS = 40


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_line", description=__doc__)
    parser.add_argument("--version", default="v2", choices=["v1", "v2", "v2Pro", "v2ProPlus"])
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median is taken")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the line")
    parser.add_argument("--voice", type=Path, help="a voice of weights that carries what HuBERT found in its clips")
    parser.add_argument("--graphs", type=Path, nargs=2, help="what it was exported to, in fp32 and in int8")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voicemill-whole-line-") as work:
        voice, graphs = arguments.voice, arguments.graphs
        if voice is None:
            voice, graphs = seeded(Path(work), arguments.version)
        compare(voice, graphs, int(arguments.seconds * TOKENS_PER_SECOND), arguments.rounds)


def seeded(work: Path, version: str) -> tuple[Path, list[Path]]:
    """Make a full-size voice, and what it is exported to."""
    voice, pretrained = work / "voice", Pretrained(work / "models", "cpu")
    voice.mkdir()
    make_models(work / "models", version)  # type: ignore[arg-type]
    make_voice(voice, version)  # type: ignore[arg-type]
    add_to_voice(voice, pretrained, BY_DICTIONARIES)
    graphs = []
    for weights in ("fp32", "int8"):
        (work / weights).mkdir()
        start = time.process_time()
        export_graphs(voice, work / weights, cast(Weights, weights))
        size = sum(file.stat().st_size for file in (work / weights).iterdir()) / 1e6
        print(f"exported in {weights}: {time.process_time() - start:.1f} CPU s, {size:.0f} MB")
        graphs.append(work / weights)
    return voice, graphs


def compare(voice: Path, graphs: list[Path], tokens: int, rounds: int) -> None:
    """Print the two tables of a voice."""
    empty = Path(tempfile.gettempdir())
    by_weights: dict[str, dict[str, str]] = {
        "torch": {},
        "torch int8": {"precision": "int8"},
    }
    makers: dict[str, Callable[[], SpeakingVoice]] = {
        name: lambda manner=manner: load_voice(voice, empty, "cpu", watermark="off", **manner)  # type: ignore[misc, arg-type]
        for name, manner in by_weights.items()
    }
    for name, folder in zip(("onnx", "onnx int8"), graphs, strict=True):
        makers[name] = lambda folder=folder: load_voice(folder, None, watermark="off")  # type: ignore[misc]
    took: dict[str, dict[str, list[float]]] = {}
    said: dict[str, Speech] = {}
    loaded: dict[str, SpeakingVoice] = {}
    for name, make in makers.items():
        start = time.process_time()
        loaded[name] = make()
        took[name] = {"load": [time.process_time() - start], "line": [], "sound": []}
        said[name] = line(loaded[name], WARMING_TOKENS)
    for _ in range(rounds):
        for name, speaking in loaded.items():
            for what, work in (("line", line), ("sound", sound)):
                start = time.process_time()
                work(speaking, tokens)
                took[name][what].append(time.process_time() - start)
                print(f"{name}, {what}: {took[name][what][-1]:.2f} CPU s", flush=True)
    print(f"\nCPU seconds, {torch.get_num_threads()} thread, a line of {tokens / TOKENS_PER_SECOND:g} s")
    print(f"{'':18}{'load':>8}{'line':>18}{'sound':>18}   tokens that differ, loudest difference of samples")
    for name, cells in took.items():
        row = f"{name:18}{cells['load'][0]:8.1f}"
        for what in ("line", "sound"):
            median = statistics.median(cells[what])
            row += f"{median:9.2f} ({statistics.median(took['torch'][what]) / median:.2f}x)"
        print(f"{row}   {difference(said['torch'], said[name])}")


def line(speaking: SpeakingVoice, tokens: int) -> Speech:
    """Speak a line of at most so many tokens."""
    synthesizer = speaking.synthesizer
    prompt = synthesizer.prepare(speaking.reference)
    options = Options(text_split="cut0", pause_seconds=0, max_tokens=tokens)
    return synthesizer.speak(TEXT, "en", prompt, seed=1, options=options)


def sound(speaking: SpeakingVoice, tokens: int) -> np.ndarray:
    """Make the sound of so many tokens."""
    synthesizer = speaking.synthesizer
    prompt = synthesizer.prepare(speaking.reference)
    script = synthesizer.script(TEXT, "en", text_split="cut0", seed=1)
    given = np.random.default_rng(2).integers(0, 1024, tokens)
    part = Part(0, 0, script.fragments[0], script, given)
    synthesizer.sound.decode([[part]], prompt, Options())
    return part.sound


def difference(one: Speech, other: Speech) -> str:
    """Return how far two takes of a line are apart."""
    counts = [sum(piece["tokens"] for piece in speech.report["fragments"]) for speech in (one, other)]
    if counts[0] != counts[1]:
        return f"{counts[1]} tokens for {counts[0]}"
    apart = float(np.abs(one.samples - other.samples).max())
    return f"{apart:.1e} of {float(np.abs(one.samples).max()):.2f}"


if __name__ == "__main__":
    main()
