"""Order sentences so that every beginning of the list has the sounds of the whole in about its proportions.

    python scripts/order_sentences.py voicemill/evaluation/held_out/en.txt

Rewrites the file. Evaluation takes as many sentences from the beginning as time allows.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

from voicemill.text.scoring import phones


def distance(some: Counter[str], whole: Counter[str]) -> float:
    """Kullback-Leibler divergence of the phones of the whole from those of some, with one of each added."""
    total, counted = whole.total(), some.total() + len(whole)
    return sum(
        count / total * math.log((count / total) / ((some[phone] + 1) / counted)) for phone, count in whole.items()
    )


def ordered(lines: list[str], language: str) -> list[str]:
    """Return the lines, each time the one next that makes the phones so far most like those of all.

    Args:
        lines: Sentences.
        language: Code of their language.
    """
    sounds = {line: Counter(phones(line, language)) for line in lines}
    whole = sum(sounds.values(), Counter())
    left, found, so_far = list(lines), list[str](), Counter[str]()
    while left:
        best = min(left, key=lambda line: distance(so_far + sounds[line], whole))
        left.remove(best)
        found.append(best)
        so_far += sounds[best]
    return found


def main(*files: str) -> None:
    """Rewrite each file."""
    for file in map(Path, files):
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("".join(f"{line}\n" for line in ordered(lines, file.stem)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
