"""Word errors, speed and the use of the confidence threshold of a recogniser.

    python -m benchmarks.recognition ../shared/data/en_lj ../shared/data/en_kathleen
    python -m benchmarks.recognition --backend whisper --models MODELS --language zh ../shared/data/zh_s0150

Each folder holds recordings and a transcripts.csv (file|text|lang). Languages that do not space their words are counted
by character.
"""

import argparse
import time
from pathlib import Path

from voicemill.asr import recognizer
from voicemill.asr.transcript import RATE
from voicemill.audio.reading import read_mono
from voicemill.dataset.labels import read
from voicemill.text import scoring


def main() -> None:
    """Print a line a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--backend", default="pocketsphinx")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--language", default="en")
    arguments = parser.parse_args()
    listener = recognizer(arguments.backend, arguments.models, arguments.language)
    for folder in arguments.folders:
        rows = []
        seconds = spent = 0.0
        for label in read(folder / "transcripts.csv"):
            sound = read_mono(folder / label.path, RATE)
            began = time.perf_counter()
            heard = listener.transcribe(sound)
            spent += time.perf_counter() - began
            seconds += len(sound) / RATE
            rows.append((scoring.score(label.text, heard.text, label.language).words, heard.confidence))
        everything = scoring.pooled(found for found, _ in rows).rate
        print(f"{folder.name}: {everything:.1%} errors, {spent / seconds:.2f} s a second of speech; ", end="")
        for name, part in (
            ("flagged", [found for found, confidence in rows if confidence < listener.trusted_above]),
            ("trusted", [found for found, confidence in rows if confidence >= listener.trusted_above]),
        ):
            rate = f"{scoring.pooled(part).rate:.1%}" if part else "-"
            print(f"{name} {len(part)}: {rate}  ", end="")
        print()


if __name__ == "__main__":
    main()
