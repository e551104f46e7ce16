"""A second opinion on every transcript: where two hearings of a clip disagree, one of them is wrong.

It comes from the same recogniser, which guesses what else it could have heard (Whisper, by sampling) or hears slower
sound (the others), or from another recogniser: what a recogniser is sure of it hears again, and where it guessed it
guesses differently. Whisper also reads the transcript along with the sound and tells how well its words fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from voicemill.asr.choice import recognizer, with_weights
from voicemill.asr.transcript import RATE, Recognizer, Rehearing
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError
from voicemill.text import scoring

Opinion = Literal["auto", "same", "whisper", "sensevoice", "paraformer", "pocketsphinx", "none"]
Hears = Callable[[Sequence[np.ndarray], Sequence[str], Sequence[str]], list[Rehearing]]
"""Clips at 16 kHz, their languages and transcripts -> what a second hearing says about each."""

DISAGREES = 0.2
"""Disagreement from which a transcript is flagged."""
UNLIKELY = 0.0001
"""Chance of the least likely word below which a transcript is flagged: 2 of 70 right transcripts, rare names all, and
96 % of those with a wrong word (benchmarks/proofreading_order.py)."""
_SLOWER = 1.15


def second_opinion(opinion: Opinion, first: Recognizer | None, models: Path | str, language: str) -> Hears | None:
    """Return who gives a second opinion; None for nobody.

    "same" is the first recogniser again; "auto" is that too and, for labels that nobody recognised, the best of which
    the models folder has weights. Where that is pocketsphinx or a toy, "auto" is nobody: they disagree with what is
    right, too.

    Args:
        opinion: What was asked for.
        first: The recogniser that wrote the transcripts; None for labels of the user's own.
        models: Models folder.
        language: Code, or "auto".

    Raises:
        MissingModelError: The recogniser that was asked for has no model.
        UsageError: It does not know the language.
    """
    if opinion == "none":
        return None
    if opinion not in ("auto", "same"):
        return _heard_by(recognizer(opinion, models, language))
    if first is not None:
        is_weak = first.name == "pocketsphinx" or first.trusted_above > 1
        return None if opinion == "auto" and is_weak else again(first)
    # A label is one opinion already.
    name = with_weights(models, language) if opinion == "auto" else "auto"
    return _heard_by(recognizer(name, models, language)) if name else None


def again(listener: Recognizer) -> Hears:
    """Return how a recogniser hears clips a second time: by guessing, or 15 % slower (and lower)."""
    return _guesses(listener) or _hears(listener, _SLOWER)


def _heard_by(listener: Recognizer) -> Hears:
    return _guesses(listener) or _hears(listener)


def _guesses(listener: Recognizer) -> Hears | None:
    return getattr(listener, "hear_again", None)


def _hears(listener: Recognizer, slower: float = 1.0) -> Hears:
    def hear(clips: Sequence[np.ndarray], languages: Sequence[str], texts: Sequence[str]) -> list[Rehearing]:
        sounds = [resample(clip, RATE, round(RATE * slower)).astype(np.float32) for clip in clips]
        return [Rehearing([heard.text]) for heard in listener.transcribe_all(sounds)]

    return hear


def disagreement(text: str, others: Sequence[str], language: str) -> float:
    """Return how much of a transcript is heard differently, in [0, 1], as both are spoken.

    The mean of the error rates in words (characters where words are not spaced) and in phones: a wrong homophone shows
    in the one alone, a word that is written otherwise hardly in the other. Of several other texts the mean.

    Args:
        text: The transcript.
        others: The second opinion: one text or several.
        language: Of the transcript.
    """
    return float(np.mean([_differs(text, other, language) for other in others])) if others else 0.0


def disputed_words(text: str, others: Sequence[str], language: str) -> float:
    """Return how many words of a transcript (characters where words are not spaced) are heard differently.

    As `disagreement`, which is a rate: a long transcript with two wrong words costs a reader more than a short one with
    one.
    """
    return float(np.mean([_errors(text, other, language) for other in others])) if others else 0.0


def _errors(text: str, other: str, language: str) -> int:
    try:
        return scoring.score(text, other, language).words.errors
    except InputError:
        return 1


def _differs(text: str, other: str, language: str) -> float:
    try:
        found = scoring.score(text, other, language)
    except InputError:
        return 1.0
    return min(1.0, (found.words.rate + found.phones.rate) / 2)
