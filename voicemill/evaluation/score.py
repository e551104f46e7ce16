"""The one score by which checkpoints and reference clips are chosen: words, likeness, pace and sound in one number.

    score = similarity - error rate - 0.25 * pace error - 0.25 * sound error

    error rate    wrong words over asked words, 1 at most
    similarity    cosine to the speaker by Resemblyzer
    pace error    |log2| of the voice's phones a second over the speaker's, 1 at most: 1 for twice or half as fast
    sound error   (5 - OVRL) / 4 of DNSMOS P.835: 0 for the best opinion, 1 for the worst

A point of word errors weighs as much as 0.01 of likeness, 3 % of pace or 0.16 of OVRL. Pace and sound guard against
voices that are understood and alike, and yet rush, drag or rattle; what was not measured counts nothing.
"""

from __future__ import annotations

import numpy as np

PACE_WEIGHT = 0.25
SOUND_WEIGHT = 0.25
TIE = 0.005
"""Scores that differ by less are ties: half a point of word errors, which no set of sentences here resolves."""

Figures = float | np.ndarray


def combined(
    error_rate: Figures, similarity: Figures, pace_ratio: Figures | None = None, ovrl: Figures | None = None
) -> np.ndarray:
    """Return the score.

    Args:
        error_rate: Errors over asked words; scalars or arrays of one shape, as the others.
        similarity: Cosine to the speaker.
        pace_ratio: Phones a second over the speaker's; 0 for a voice that says nothing, None where not known.
        ovrl: DNSMOS OVRL, 1 to 5; None where not measured.
    """
    total = np.asarray(similarity, float) - np.minimum(error_rate, 1.0)
    if pace_ratio is not None:
        total = total - PACE_WEIGHT * np.minimum(np.abs(np.log2(np.maximum(pace_ratio, 1e-6))), 1.0)
    if ovrl is not None:
        total = total - SOUND_WEIGHT * (5.0 - np.asarray(ovrl, float)) / 4.0
    return total
