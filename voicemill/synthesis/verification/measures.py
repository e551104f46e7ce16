"""What can be measured of a spoken line, and which rules it breaks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from voicemill.asr.flags import loops
from voicemill.synthesis.verification.rules import Cause, Rules
from voicemill.text import scoring
from voicemill.text.scoring import Difference

_FRAME_SECONDS = 0.02
_BELOW_PEAK_DB = 40.0
_FULL_SCALE = 32766 / 32768
_CHARACTERS_A_WORD = 3


@dataclass(frozen=True)
class Sound:
    """What the samples alone say.

    Attributes:
        is_finite: Neither NaN nor Inf occurs.
        seconds: From the first sound to the last.
        pause: Longest silence between them, in seconds.
        clipped: Share of samples at full scale.
    """

    is_finite: bool
    seconds: float = 0.0
    pause: float = 0.0
    clipped: float = 0.0

    @classmethod
    def of(cls, samples: np.ndarray, rate: int) -> Sound:
        """Measure float32 samples `[n]`; silence is what lies 40 dB or more below the loudest 20 ms."""
        if not np.isfinite(samples).all():
            return cls(is_finite=False)
        step = int(rate * _FRAME_SECONDS)
        frames = samples[: len(samples) // step * step].reshape(-1, step)
        energy = np.square(frames, dtype=np.float64).mean(axis=1) if len(frames) else np.zeros(1)
        loud = np.flatnonzero(energy > energy.max() * 10 ** (-_BELOW_PEAK_DB / 10))
        if not len(loud):
            return cls(is_finite=True)
        gaps = np.diff(loud) - 1
        return cls(
            is_finite=True,
            seconds=round(float(loud[-1] - loud[0] + 1) * _FRAME_SECONDS, 3),
            pause=round(float(gaps.max(initial=0)) * _FRAME_SECONDS, 3),
            clipped=round(float((np.abs(samples) >= _FULL_SCALE).mean()), 5),
        )


@dataclass(frozen=True)
class Asked:
    """What a line was to be.

    Attributes:
        text: What was to be said.
        language: Of the text; one language, not `auto`.
        reference: What is said in the reference clip.
        speed: 2 is twice as fast.
        pause: Silence that is put after each piece, in seconds.
    """

    text: str
    language: str
    reference: str = ""
    speed: float = 1.0
    pause: float = 0.0


@dataclass(frozen=True)
class Finding:
    """What was found about a spoken line.

    Attributes:
        heard: What the recogniser wrote down.
        phones: How that differs from what was asked, in phones.
        leaked: Phones in a row of the reference clip's text that were heard and not asked.
        sound: What the samples alone say.
        causes: The rules that it breaks; empty for a line that passes.
    """

    heard: str
    phones: Difference
    leaked: int
    sound: Sound
    causes: tuple[Cause, ...] = field(default=())

    @property
    def passes(self) -> bool:
        return not self.causes


def examine(asked: Asked, heard: str, sound: Sound, rules: Rules, *, cut_off: int = 0) -> Finding:
    """Compare what was heard with what was asked, by the rules.

    Args:
        asked: What the line was to be.
        heard: What a recogniser wrote down.
        sound: What the samples alone say.
        rules: Of that recogniser.
        cut_off: Pieces of the line that reached their longest length.
    """
    wanted, got = scoring.phones(asked.text, asked.language), scoring.phones(heard, asked.language)
    difference = scoring.difference(wanted, got)
    leaked = _leaked(wanted, got, scoring.phones(asked.reference, asked.language) if asked.reference else [])
    if not sound.is_finite:
        return Finding(heard, difference, leaked, sound, (Cause.NOT_FINITE,))
    is_short = words(asked.text, asked.language) <= rules.short_words
    broken = _short(difference, len(got), rules) if is_short else _long(difference, rules)
    seconds = sound.seconds * asked.speed
    pace, least = len(wanted) / seconds if seconds else 0.0, rules.least_pace(asked.language)
    if is_short:
        is_paced = seconds <= len(wanted) / least + rules.short_seconds and pace <= rules.fastest
    else:
        is_paced = least <= pace <= rules.fastest
    broken |= {
        Cause.SILENT: bool(wanted) and not got,
        Cause.LOOP: loops(heard, asked.language) and not loops(asked.text, asked.language),
        Cause.REFERENCE: leaked > rules.reference,
        Cause.CUT_OFF: cut_off > 0,
        Cause.PACE: not is_paced,
        Cause.PAUSE: sound.pause > asked.pause + rules.pause,
        Cause.CLIPPING: sound.clipped > rules.clipped,
    }
    return Finding(heard, difference, leaked, sound, tuple(cause for cause in Cause if broken.get(cause)))


def words(text: str, language: str) -> float:
    """Return how many words a text has, as it is written; three characters are one where words are not spaced."""
    plain = scoring.plain(text, language)
    return len(plain) / _CHARACTERS_A_WORD if language in scoring.BY_CHARACTER else len(plain.split())


def _long(difference: Difference, rules: Rules) -> dict[Cause, bool]:
    return {
        Cause.WORDS: difference.rate > rules.phone_error_rate,
        Cause.RUN: difference.longest_run > rules.run,
        Cause.BEGINNING: difference.missing_at_start > rules.beginning,
        Cause.ENDING: difference.missing_at_end > rules.ending,
        Cause.BABBLE: difference.added_at_end > rules.babble,
    }


def _short(difference: Difference, heard: int, rules: Rules) -> dict[Cause, bool]:
    return {
        Cause.WORDS: difference.rate > rules.short_error_rate,
        Cause.BABBLE: heard - difference.length > rules.short_babble,
    }


def _leaked(wanted: list[str], got: list[str], reference: list[str]) -> int:
    """Longest row of phones that was heard, was not asked, and stands in the reference's text."""
    from rapidfuzz.distance import Levenshtein

    longest, stretch = 0, []
    for step in [*Levenshtein.opcodes(wanted, got), None]:
        # An equal phone or two inside a foreign stretch is chance: the stretch goes on over it.
        if step is not None and (step.tag != "equal" or step.dest_end - step.dest_start <= 2):
            stretch += got[step.dest_start : step.dest_end]
            continue
        longest, stretch = max(longest, _common(stretch, reference)), []
    # Words that the text has too are not leaked ones.
    return longest if longest > _common(reference, wanted) else 0


def _common(one: list[str], other: list[str]) -> int:
    """Length of the longest row of phones that two have in common."""
    best = 0
    before = [0] * (len(other) + 1)
    for phone in one:
        row = [0] * (len(other) + 1)
        for index, candidate in enumerate(other, start=1):
            if phone == candidate:
                row[index] = before[index - 1] + 1
        best, before = max(best, *row), row
    return best
