"""Lines that are right, and the same lines broken on purpose, for `benchmarks.verification`.

Right are recordings with their texts, single and two of a speaker joined, and short phrases by flite. Each way to break
one imitates what a token model does: it loops, swallows, babbles, speaks another line, or the reference's words.
"""

from __future__ import annotations

import csv
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.audio.reading import read_mono
from voicemill.pretraining import flite

RATE = 16_000
_LANGUAGES = ("en", "zh", "ja")
_GAP = np.zeros(RATE // 3, np.float32)
PHRASES = (
    *["Good morning.", "Thank you.", "Stop!", "Not today.", "Three more minutes.", "Open the door.", "Yes.", "No."],
    *["Turn left.", "Wait here.", "Happy birthday!", "In a moment.", "Call me.", "It rained.", "Perhaps tomorrow."],
    *["Welcome back.", "Look out!", "Never mind.", "Over there.", "Very well.", "Too late.", "Nothing happened."],
    *["Seven.", "Downstairs.", "Of course.", "Who knows?", "Take care.", "Good night.", "Keep quiet.", "Next Monday."],
)


@dataclass(frozen=True)
class Case:
    """A line and its sound.

    Attributes:
        name: Unique.
        kind: `recording`, `two joined`, `short`, or how it was broken.
        text: What it should say.
        language: Of the text.
        reference: Text of the clip whose words must not be in it.
        make: Makes the sound, float32 `[n]` at 16 kHz.
    """

    name: str
    kind: str
    text: str
    language: str
    reference: str
    make: Callable[[], np.ndarray]

    @property
    def is_right(self) -> bool:
        return self.kind in ("recording", "two joined", "short")


@dataclass(frozen=True)
class _Recording:
    path: Path
    text: str
    language: str
    speaker: str

    def sound(self) -> np.ndarray:
        return read_mono(self.path, RATE)


def cases(data: Path, each: int) -> list[Case]:
    """Return right lines and broken ones.

    Args:
        data: Folder with index.csv.
        each: How many lines are broken in each way.
    """
    found = list(_recordings(data))
    long = [one for one in found if len(one.text) > (12 if one.language != "en" else 40)]
    right = [Case(f"recording/{one.path.name}", "recording", one.text, one.language, "", one.sound) for one in found]
    right += _joined(found, 200 - len(right))
    broken = [
        _broken(kind, one, long, random.Random(f"{kind}/{one.path.name}"))
        for kind in BREAKS
        for one in random.Random(kind).sample(long, min(each, len(long)))
    ]
    every = [*right, *_short(), *broken]
    # In an order by chance: what has been heard when time is up is then a sample of all.
    random.Random(0).shuffle(every)
    return every


def _recordings(data: Path) -> Iterator[_Recording]:
    with (data / "index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] in ("speaker", "clip") and row["text"] and row["lang"] in _LANGUAGES:
                yield _Recording(data / row["path"], row["text"], row["lang"], row["speaker"] or row["path"])


def _joined(found: list[_Recording], count: int) -> list[Case]:
    pairs = [(a, b) for a, b in itertools.pairwise(found) if a.speaker == b.speaker][: max(0, count)]

    def make(a: _Recording, b: _Recording) -> Callable[[], np.ndarray]:
        return lambda: np.concatenate([a.sound(), _GAP, b.sound()])

    return [
        Case(f"joined/{a.path.name}", "two joined", f"{a.text} {b.text}", a.language, "", make(a, b)) for a, b in pairs
    ]


def _short() -> list[Case]:
    def make(text: str, voice: str) -> Callable[[], np.ndarray]:
        return lambda: flite.speak(text, voice).samples

    rows: list[Case] = []
    for voice in ("slt",):
        for number, text in enumerate(PHRASES):
            other = PHRASES[(number + 7) % len(PHRASES)]
            rows.append(Case(f"short/{voice}/{number}", "short", text, "en", "", make(text, voice)))
            rows.append(Case(f"short-other/{voice}/{number}", "short: another", text, "en", "", make(other, voice)))
            babble = f"{text} The morning sun was red over the hills."
            rows.append(Case(f"short-babble/{voice}/{number}", "short: babble", text, "en", "", make(babble, voice)))
    return rows


def _loop(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    start = int(len(one) * rng.uniform(0.3, 0.7))
    stretch = one[start : start + int(RATE * rng.uniform(0.2, 0.6))]
    return np.concatenate([one[:start], np.tile(stretch, rng.randint(5, 12)), one[start:]])


def _cut_end(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    return one[: int(len(one) * rng.uniform(0.55, 0.8))]


def _cut_beginning(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    return one[int(len(one) * rng.uniform(0.2, 0.45)) :]


def _swallow(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    start = int(len(one) * rng.uniform(0.25, 0.5))
    return np.concatenate([one[:start], one[start + int(RATE * rng.uniform(0.8, 1.5)) :]])


def _babble(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    return np.concatenate([one, other[: int(RATE * rng.uniform(1.2, 2.5))][::-1]])


def _leak(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    return np.concatenate([other[-int(RATE * rng.uniform(1.0, 2.0)) :], one])


def _another(one: np.ndarray, other: np.ndarray, rng: random.Random) -> np.ndarray:
    return other


BREAKS: dict[str, Callable[[np.ndarray, np.ndarray, random.Random], np.ndarray]] = {
    "loop": _loop,
    "end cut": _cut_end,
    "beginning cut": _cut_beginning,
    "words swallowed": _swallow,
    "babble after the end": _babble,
    "leaked reference": _leak,
    "another line": _another,
}


def _broken(kind: str, one: _Recording, among: list[_Recording], rng: random.Random) -> Case:
    other = rng.choice(
        [candidate for candidate in among if candidate.speaker == one.speaker and candidate != one] or among
    )
    reference = other.text if kind == "leaked reference" else ""
    return Case(
        f"{kind}/{one.path.name}",
        kind,
        one.text,
        one.language,
        reference,
        lambda: BREAKS[kind](one.sound(), other.sound(), rng),
    )
