"""Fragments on their way through the models."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from voicemill.gpt_sovits.gpt.config import MIN_PHONES_PER_SECOND, TOKENS_PER_SECOND
from voicemill.gpt_sovits.gpt.lines import MAX_TOKENS
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.script import Script
from voicemill.text.units import spans

Noise = Callable[[int, tuple[int, ...]], np.ndarray]
"""Standard normal noise of a seed and a shape, float32."""


@dataclass(frozen=True)
class Word:
    """A word, and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass
class Part:
    """A fragment on its way through the models."""

    line: int
    index: int
    fragment: Fragment
    script: Script
    tokens: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sound: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    cut_off: bool = False
    words: list[Word] = field(default_factory=list)

    def seed(self, purpose: str) -> int:
        """Return a seed of this fragment's own, of its line's seed and its place in the line."""
        digest = hashlib.sha256(f"{self.script.seed}/{self.index}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:7], "little")


def token_limit(fragment: Fragment, most: int | None) -> int:
    """Most tokens of a fragment: as asked, or what its phones need at the slowest pace in the training data."""
    slowest = TOKENS_PER_SECOND * (math.ceil(len(fragment.phones) / MIN_PHONES_PER_SECOND) + 1)
    return min(MAX_TOKENS, most or slowest)


def report_of(
    script: Script, parts: list[Part], seconds: float, watermark: str = "", words: list[Any] | None = None
) -> dict[str, Any]:
    """Return what was said of a script and how; see `Speech.report`."""
    return {
        "seconds": round(seconds, 3),
        "speed": script.speed,
        "seed": script.seed,
        "unpronounced": [asdict(sign) for sign in script.unpronounced],
        **({} if words is None else {"words": words}),
        "watermark": watermark,
        "cut_off": sum(part.cut_off for part in parts),
        "fragments": [
            {"text": part.fragment.text, "tokens": len(part.tokens), "cut_off": part.cut_off} for part in parts
        ],
    }


def line_times(text: str, parts: Sequence[Part], pause_seconds: float, rate: int) -> list[dict[str, Any]]:
    """Return the words of a line as reports have them: `text` as its author wrote it, `start` and `end` in seconds.

    Args:
        text: The line.
        parts: Its parts with their words and sounds.
        pause_seconds: Silence after each.
        rate: Sampling rate of the sounds, in Hz.
    """
    begin, words = 0, []
    for part in parts:
        offset = begin / rate
        words += [Word(word.text, offset + word.start, offset + word.end) for word in part.words]
        begin += len(part.sound) + int(rate * pause_seconds)
    places = spans(text, [word.text for word in words])
    return [
        {"text": text[start:end] or word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
        for word, (start, end) in zip(words, places, strict=True)
    ]
