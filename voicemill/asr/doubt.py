"""How doubtful a transcript is: one number by which proofreading is ordered.

    doubt = 1 - sqrt(word confidence) / (1 + disputed) * (1 - unsure / 2) * (1 - odd pace / 2) * (0.1 if flagged)

`word confidence` is the chance of the least likely word, `disputed` how many words a second opinion heard differently,
`unsure` what the recogniser's confidence lacks to 1; the pace is odd where it is beyond a quarter from the speaker's
median, wholly so at half or double of it; flagged means a flag that says that the text is wrong. Each alone is enough
to put a clip in front: the parts are not added but combined as chances that something is wrong.
benchmarks/proofreading_order.py measures what each of them finds, and all together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from voicemill.text import scoring

_UNSURE_WEIGHS = 0.5
_PACE_WEIGHS = 0.5
_FLAG_WEIGHS = 0.9
_WORD_WEIGHS = 0.5
_ODD_FROM, _ODD_WHOLLY = math.log(1.25), math.log(2.0)
_HARMLESS = ("low-confidence", "disagreement", "unlikely-word", "cut-start", "cut-end")
"""Flags that say nothing about the text, or what the other parts say already."""


def pace(text: str, language: str, seconds: float) -> float:
    """Return the phones a second of a transcript; 0 for a clip of no length.

    Args:
        text: The transcript.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
        seconds: Length of the clip.
    """
    return len(scoring.phones(text, language)) / seconds if seconds > 0 else 0.0


def odd_paces(paces: Sequence[float]) -> list[float]:
    """Return how odd the pace of each clip is among those of one speaker, in [0, 1].

    Args:
        paces: Phones a second of each clip.
    """
    spoken = [one for one in paces if one > 0]
    if not spoken:
        return [0.0] * len(paces)
    usual = float(np.median(spoken))
    return [_odd(one / usual) for one in paces]


def doubt(
    disputed: float,
    confidence: float,
    odd_pace: float,
    flags: Sequence[str] = (),
    word_confidence: float | None = None,
) -> float:
    """Return how doubtful a transcript is, in [0, 1].

    Args:
        disputed: Words that the second opinion heard differently; 0 where there is none.
        confidence: The recogniser's, in [0, 1]; 1 for labels of the user's own.
        odd_pace: See `odd_paces`.
        flags: See `voicemill.asr.flags`.
        word_confidence: Of the least likely word, in [0, 1]; None where it is not known.
    """
    is_flagged = any(flag not in _HARMLESS for flag in flags)
    right = 1 / (1 + disputed) * (1 - _UNSURE_WEIGHS * (1 - confidence)) * (1 - _PACE_WEIGHS * odd_pace)
    fits = 1.0 if word_confidence is None else max(word_confidence, 1e-9) ** _WORD_WEIGHS
    return 1 - right * fits * (1 - _FLAG_WEIGHS * is_flagged)


def _odd(ratio: float) -> float:
    if ratio <= 0:
        return 1.0
    return float(np.clip((abs(math.log(ratio)) - _ODD_FROM) / (_ODD_WHOLLY - _ODD_FROM), 0.0, 1.0))
