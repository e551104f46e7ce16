"""What Whisper hears of the same lines by each runtime and precision, with the same seeds.

    python -m benchmarks.runtime_words VOICE FP32 INT8 --models MODELS --out FOLDER [--lines 60] [--only NAME ...]

VOICE is a voice of weights that carries what HuBERT found in its clips, FP32 and INT8 what it was exported to
(`voicemill voices export --onnx`); MODELS has Whisper. What was heard is kept in FOLDER line by line, where a second
call goes on. Printed are the share of words that are wrong with its 95 % interval, the same as a difference to torch
line by line, and how many lines are spoken as by torch, sample by sample within a thousandth of full scale.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from voicemill.asr import recognizer
from voicemill.evaluation import intervals
from voicemill.evaluation.sentences import sentences
from voicemill.synthesis.options import options_of
from voicemill.synthesis.speaking import SpeakingVoice, load_voice
from voicemill.synthesis.verification.listening import Ear
from voicemill.text import scoring


def main() -> None:
    """Speak, hear and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtime_words", description=__doc__)
    parser.add_argument("voice", type=Path)
    parser.add_argument("graphs", type=Path, nargs=2)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--only", nargs="*", default=[], help="speak these now")
    arguments = parser.parse_args()
    fp32, int8 = arguments.graphs
    weights, models = arguments.voice, arguments.models
    makers: dict[str, Callable[[], SpeakingVoice]] = {
        "torch": lambda: load_voice(weights, models, "cpu", watermark="off"),
        "torch int8": lambda: load_voice(weights, models, "cpu", watermark="off", precision="int8"),
        "onnx": lambda: load_voice(fp32, None, watermark="off"),
        "onnx int8": lambda: load_voice(int8, None, watermark="off"),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    ear = Ear(recognizer("whisper", models))
    for name in arguments.only or makers:
        speak(makers[name](), arguments.out / name.replace(" ", "-"), arguments.lines, ear)
    table([name for name in makers if (arguments.out / name.replace(" ", "-")).is_dir()], arguments.out)


def speak(speaking: SpeakingVoice, out: Path, count: int, ear: Ear) -> None:
    """Speak lines and note what is heard of each."""
    out.mkdir(exist_ok=True)
    generation, language = speaking.voice.generation, speaking.voice.language
    speaking, options = speaking.prompted(generation), options_of(generation)
    prompt = speaking.synthesizer.prepare(speaking.reference)
    for number, text in enumerate(sentences(language)[:count]):
        file = out / f"{number:03d}.json"
        if file.is_file():
            continue
        script = speaking.synthesizer.script(text, language, text_split=options.text_split, seed=number)
        (said,) = speaking.synthesizer.perform([script], prompt, options)
        heard = ear.hear(said.samples, said.rate, language)
        words = scoring.score(text, heard, language).words
        np.save(file.with_suffix(".npy"), said.samples)
        file.write_text(json.dumps({"text": text, "heard": heard, "errors": words.errors, "words": words.length}))


def table(names: list[str], out: Path) -> None:
    """Print the table of what was heard."""
    rows = {name: sorted((out / name.replace(" ", "-")).glob("*.json")) for name in names}
    count = min(len(files) for files in rows.values())
    heard = {name: [json.loads(file.read_text()) for file in files[:count]] for name, files in rows.items()}
    lengths = [row["words"] for row in heard["torch"]]
    first = intervals.resampled_ratio([row["errors"] for row in heard["torch"]], lengths)
    print(f"| {count} lines | words wrong, % | less torch's, points | lines as by torch | heard as by torch |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, lines in heard.items():
        errors = [row["errors"] for row in lines]
        rate, spread = sum(errors) / sum(lengths), intervals.ratio(errors, lengths) or (0.0, 1.0)
        apart = sum(errors) / sum(lengths) - sum(row["errors"] for row in heard["torch"]) / sum(lengths)
        low, high = intervals.ends(intervals.resampled_ratio(errors, lengths) - first)
        same = sum(_same(*pair) for pair in zip(rows["torch"][:count], rows[name][:count], strict=True))
        alike = sum(row["heard"] == other["heard"] for row, other in zip(lines, heard["torch"], strict=True))
        print(
            f"| {name} | {100 * rate:.1f} ({100 * spread[0]:.1f} to {100 * spread[1]:.1f}) | "
            f"{100 * apart:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) | {same} | {alike} |"
        )


def _same(one: Path, other: Path) -> bool:
    first, second = (np.load(file.with_suffix(".npy")) for file in (one, other))
    return len(first) == len(second) and bool(np.abs(first - second).max() < 1e-3)


if __name__ == "__main__":
    main()
