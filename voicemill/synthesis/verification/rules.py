"""What a spoken line must not do: the causes for which it fails, and the thresholds of each recogniser.

The thresholds come from lines that are right and lines that were broken on purpose: `python -m
benchmarks.verification`, tables in docs/results.md. Errors are counted in phones, so that spelling does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a line fails; the value is what manifest, ledger and report call it."""

    NOT_FINITE = "not-finite"
    """The samples contain NaN or Inf."""
    SILENT = "silent"
    """Nothing was heard."""
    WORDS = "words"
    """Too large a share of its phones differs."""
    RUN = "run"
    """Too many phones in a row differ: words swallowed, put in, or replaced."""
    BEGINNING = "beginning"
    """Its beginning is missing."""
    ENDING = "ending"
    """Its end is missing."""
    BABBLE = "babble"
    """It goes on after its end."""
    LOOP = "loop"
    """The same words come again and again."""
    REFERENCE = "reference"
    """Words of the reference clip are in it."""
    CUT_OFF = "cut-off"
    """A piece reached the longest length that its phones can need, and was cut off there."""
    PACE = "pace"
    """It is spoken faster or slower than anybody speaks."""
    PAUSE = "pause"
    """It falls silent in the middle for too long."""
    CLIPPING = "clipping"
    """Too many samples are at full scale."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds; a line that is beyond any of them fails.

    Attributes:
        phone_error_rate: Most errors over phones asked.
        run: Most phones in a row that differ.
        beginning: Most phones missing before the first one that agrees.
        ending: Most phones missing after the last one that agrees.
        babble: Most phones after the last one that agrees.
        reference: Most phones in a row of the reference clip's text that were heard and not asked.
        slowest: Least phones a second, from the first sound to the last, at a speed of 1. Short lines are exempt.
        slowest_syllables: The same of Chinese, whose syllables are counted as two phones at most.
        fastest: Most phones a second.
        pause: Longest silence within a line, in seconds, beside the pause that is put after each piece.
        clipped: Largest share of samples at full scale.
        short_words: Lines of at most so many words (three characters a word where words are not spaced) are short: a
            recogniser guesses at them. They fail by `short_error_rate`, `short_babble` and the sound alone.
        short_error_rate: Most errors over phones of a short line.
        short_babble: Most phones that a short line may have more than were asked.
        short_seconds: Longest sound of a short line in seconds, beside what its phones need at `slowest`.
    """

    phone_error_rate: float
    run: int
    beginning: int
    ending: int
    babble: int
    reference: int
    slowest: float = 5.5
    slowest_syllables: float = 4.5
    fastest: float = 24.0
    pause: float = 1.2
    clipped: float = 0.01
    short_words: int = 3
    short_error_rate: float
    short_babble: int
    short_seconds: float = 1.0

    def least_pace(self, language: str) -> float:
        """Return the least phones a second of a language."""
        return self.slowest_syllables if language in ("zh", "yue") else self.slowest


_WHISPER = Rules(
    phone_error_rate=0.3,
    run=10,
    beginning=4,
    ending=5,
    babble=4,
    reference=7,
    short_error_rate=0.5,
    short_babble=6,
)
_POCKETSPHINX = Rules(
    phone_error_rate=0.45,
    run=16,
    beginning=8,
    ending=8,
    babble=8,
    reference=10,
    short_error_rate=0.8,
    short_babble=8,
)
RULES = {"whisper": _WHISPER, "sensevoice": _WHISPER, "pocketsphinx": _POCKETSPHINX}
"""By the recogniser's name. SenseVoice, whose errors are of Whisper's size, was not measured apart."""
