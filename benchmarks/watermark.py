"""What becomes of the watermark: marked and unmarked lines after six transformations, and what the mark costs.

    python -m benchmarks.watermark --out FOLDER [--models MODELS]    # MODELS: `voicemill models small MODELS`

Twenty lines, five in each of flite's four voices, are spoken without a mark: by flite itself, or with models by the
small base, for which flite's voices are references. Each is then also marked. Every transformation writes a file of
its own, and `detect` reads that, as it would a user's.
"""

import argparse
import json
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from voicemill.audio.quality import measure
from voicemill.audio.reading import read_mono, write_wav
from voicemill.audio.resampling import resample
from voicemill.evaluation.sentences import held_out_lines
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.models import locate
from voicemill.pretraining import flite
from voicemill.synthesis import watermark
from voicemill.synthesis.detection import SURE, inspect
from voicemill.synthesis.joining.encoding import encode
from voicemill.synthesis.load import Pretrained

RATE = 32_000
PROMPT = "The old mill by the river has been grinding corn for over two hundred years, and it still does."
LINES = 5
NOISE_DB = 20.0


def faster(samples: np.ndarray, factor: float) -> np.ndarray:
    """The same pitch at another tempo, by ffmpeg's atempo."""
    import av
    from av.error import BlockingIOError, EOFError
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="mono", time_base=Fraction(1, RATE))
    tempo, sink = graph.add("atempo", str(factor)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
    frame.sample_rate = RATE
    graph.push(frame)
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (EOFError, BlockingIOError):
            return np.concatenate(parts)


def noisy(samples: np.ndarray) -> np.ndarray:
    """With white noise 20 dB below the speech."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples)).astype(np.float32)
    return samples + noise * np.sqrt(np.mean(samples**2)) * 10 ** (-NOISE_DB / 20)


def cut(samples: np.ndarray) -> np.ndarray:
    """The middle two seconds."""
    start = max(0, len(samples) // 2 - RATE)
    return samples[start : start + 2 * RATE]


def wav(change: Callable[[np.ndarray], np.ndarray], rate: int = RATE) -> Callable[[np.ndarray, Path], Path]:
    def write(samples: np.ndarray, path: Path) -> Path:
        path = path.with_suffix(".wav")
        write_wav(path, np.clip(change(samples), -1, 1), rate, "PCM_16")
        return path

    return write


def coded(suffix: str, codec: str, rate: int, bit_rate: int) -> Callable[[np.ndarray, Path], Path]:
    def write(samples: np.ndarray, path: Path) -> Path:
        path = path.with_suffix(suffix)
        encode(path, [resample(samples, RATE, rate)], rate, codec=codec, bit_rate=bit_rate)
        return path

    return write


TRANSFORMATIONS: dict[str, Callable[[np.ndarray, Path], Path]] = {
    "none": wav(lambda samples: samples),
    "mp3 32 kbit/s": coded(".mp3", "libmp3lame", 32_000, 32_000),
    "opus 24 kbit/s": coded(".ogg", "libopus", 48_000, 24_000),
    "noise, 20 dB SNR": wav(noisy),
    "1.1 x speed": wav(lambda samples: faster(samples, 1.1)),
    "resampled to 16 kHz": wav(lambda samples: resample(samples, RATE, 16_000), 16_000),
    "cut to 2 s": wav(cut),
}


def spoken(models: Path | None, folder: Path) -> list[tuple[str, np.ndarray]]:
    """Return unmarked lines, each with its voice; what models speak is kept in the folder."""
    lines = held_out_lines("en", LINES * len(flite.VOICES))
    if models is None:
        return [
            (
                flite.VOICES[at // LINES],
                resample(flite.speak(line, flite.VOICES[at // LINES]).samples, flite.RATE, RATE),
            )
            for at, line in enumerate(lines)
        ]
    folder.mkdir(parents=True, exist_ok=True)
    pretrained = Pretrained(models)
    synthesizer = pretrained.synthesizer(locate(models, "sovits-g"), locate(models, "gpt"), watermark="off")
    found = []
    for number, voice in enumerate(flite.VOICES):
        prompt = folder / f"prompt_{voice}.wav"
        write_wav(prompt, flite.speak(PROMPT, voice).samples, flite.RATE, "PCM_16")
        ready = synthesizer.prepare(Reference(prompt, "", "en"))
        for each, line in enumerate(lines[number * LINES : (number + 1) * LINES]):
            path = folder / f"{voice}_{each}.wav"
            if not path.exists():
                said = synthesizer.perform(
                    [synthesizer.script(line, "en", text_split="cut0", seed=each)], ready, Options(text_split="cut0")
                )[0]
                write_wav(path, said.samples, said.rate, "FLOAT")
            found.append((voice, read_mono(path, RATE)))
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watermark", description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    lines = spoken(arguments.models, arguments.out / "speech")
    start = time.perf_counter()
    pairs = [(voice, plain, watermark.apply(plain, RATE)) for voice, plain in lines]
    took, seconds = time.perf_counter() - start, sum(len(plain) for _, plain in lines) / RATE
    print(f"{len(lines)} lines, {seconds:.0f} s of speech; marking takes {1000 * took / seconds:.1f} ms a second\n")
    rows = []
    print("| after | marked: found | lowest score | unmarked: found | highest score |\n| --- | --- | --- | --- | --- |")
    for name, change in TRANSFORMATIONS.items():
        folder = arguments.out / "".join(letter if letter.isalnum() else "-" for letter in name)
        folder.mkdir(parents=True, exist_ok=True)
        scores: dict[str, list[float]] = {"marked": [], "unmarked": []}
        for number, (voice, plain, marked) in enumerate(pairs):
            for kind, samples in (("marked", marked), ("unmarked", plain)):
                finding = inspect(change(samples, folder / f"{voice}_{number}_{kind}"))
                scores[kind].append(finding.score or 0.0)
        counts = {kind: sum(score >= SURE for score in found) for kind, found in scores.items()}
        print(
            f"| {name} | {counts['marked']} of {len(pairs)} | {min(scores['marked']):.2f} "
            f"| {counts['unmarked']} of {len(pairs)} | {max(scores['unmarked']):.2f} |",
            flush=True,
        )
        rows.append({"after": name, **scores})
    (arguments.out / "scores.json").write_text(json.dumps(rows, indent=1))
    print("\n| voice | DNSMOS OVRL unmarked | marked | SIG unmarked | marked |\n| --- | --- | --- | --- | --- |")
    for voice in flite.VOICES:
        own = [(measure(plain, RATE), measure(marked, RATE)) for each, plain, marked in pairs if each == voice]
        means = [np.mean([getattr(pair[at], what) for pair in own]) for what in ("ovrl", "sig") for at in (0, 1)]
        print(f"| {voice} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
