"""The acoustic graph with its convolutions in int8, against fp32: time, size, and how far the samples are.

    OMP_NUM_THREADS=1 python -m benchmarks.int8_sound [--version v2] [--seconds 4] [--rounds 3]

Of full size with seeded weights. `int8` is what `voices export --onnx-weights int8` writes: all but the last stages of
the vocoder, with the ranges of two other inputs; `all stages` has every convolution of its stages so; `dynamic`
measures each convolution's input while it runs (ONNX Runtime's `quantize_dynamic`, ConvInteger). Printed are CPU
seconds of the sound (medians of rounds in which each takes its turn), and the root mean square of the difference to
the samples in fp32, to that of the samples.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import quantize_dynamic

from benchmarks.first_sound import make_voice
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.onnx.acoustic_graph import acoustic_graph
from voicemill.gpt_sovits.onnx.calibration import quantize_vocoder
from voicemill.gpt_sovits.onnx.quantization import in_weights
from voicemill.gpt_sovits.onnx.session import session
from voicemill.gpt_sovits.sovits.model import Generator

FRAMES_PER_SECOND = 50


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.int8_sound", description=__doc__)
    parser.add_argument("--version", default="v2", choices=["v1", "v2", "v2Pro", "v2ProPlus"])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the sound")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median is taken")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voicemill-int8-sound-") as folder:
        work = Path(folder)
        make_voice(work, arguments.version)
        generator = checkpoints.build_generator(checkpoints.load_sovits(work / "sovits.safetensors"))
        files = write(acoustic_graph(generator), generator, work)
        compare(files, inputs(generator, arguments.seconds, 9), arguments.rounds)


def write(graph: onnx.ModelProto, generator: Generator, work: Path) -> dict[str, Path]:
    """Write the graph in each precision."""
    spoken = [inputs(generator, 2, seed) for seed in (1, 2)]
    made = {
        "fp32": graph,
        "fp16": in_weights(graph, "fp16"),
        "int8": in_weights(quantize_vocoder(graph, generator.dec, spoken), "fp16"),
        "all stages": in_weights(quantize_vocoder(graph, generator.dec, spoken, fine_stages=0), "fp16"),
    }
    files = {name: work / f"{name}.onnx" for name in (*made, "dynamic")}
    for name, each in made.items():
        onnx.save(each, files[name])
    quantize_dynamic(files["fp32"], files["dynamic"], op_types_to_quantize=["Conv"], per_channel=True)
    return files


def inputs(generator: Generator, seconds: float, seed: int) -> dict[str, np.ndarray]:
    """Return inputs of the graph."""
    rng, frames = np.random.default_rng(seed), int(seconds * FRAMES_PER_SECOND)
    config = generator.config
    return {
        "tokens": rng.integers(0, 1024, (1, frames // 2)).repeat(2, axis=1),
        "phones": rng.integers(1, 300, (1, int(seconds * 12))),
        "speaker": rng.standard_normal((1, config.gin_channels, 1), dtype=np.float32),
        "noise": rng.standard_normal((1, config.inter_channels, frames), dtype=np.float32),
        "noise_scale": np.array(0.5, dtype=np.float32),
        "first": np.array(0),
    }


def compare(files: dict[str, Path], given: dict[str, np.ndarray], rounds: int) -> None:
    """Print how long each takes."""
    sessions = {name: session(file) for name, file in files.items()}
    said = {name: np.asarray(runs.run(["samples"], given)[0]) for name, runs in sessions.items()}
    took: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, runs in sessions.items():
            start = time.process_time()
            runs.run(["samples"], given)
            took[name].append(time.process_time() - start)
    for name, seconds in took.items():
        error = np.sqrt(np.mean((said[name] - said["fp32"]) ** 2) / np.mean(said["fp32"] ** 2))
        size = files[name].stat().st_size / 1e6
        print(f"{name:12}{size:6.0f} MB{statistics.median(seconds):8.2f} CPU s, {error:.1e} of the samples")


if __name__ == "__main__":
    main()
