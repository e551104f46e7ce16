"""How sure a figure is that was measured on a few lines: percentile bootstrap over the lines (Efron 1979)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2_000
_SEED = 0
FEWEST_LINES = 3
"""Of fewer lines no interval is given: resampling them says nothing."""


def ratio(parts: Sequence[float], wholes: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """Interval of a sum over a sum, such as errors over words.

    Args:
        parts: Of each line, above the bar.
        wholes: Of each line, below it; ones for a mean.
        level: Share of resamples that the interval holds.

    Returns:
        Its ends, or None for fewer than `FEWEST_LINES` lines.
    """
    if len(parts) < FEWEST_LINES:
        return None
    drawn = _drawn(len(parts))
    above, below = np.asarray(parts, float)[drawn].sum(axis=1), np.asarray(wholes, float)[drawn].sum(axis=1)
    return _ends(above / np.maximum(below, 1e-9), level)


def score(
    errors: Sequence[float], words: Sequence[float], similarities: Sequence[float], *, level: float = 0.95
) -> tuple[float, float] | None:
    """Interval of the score that pairs are chosen by: mean similarity less the error rate, which is 1 at most."""
    if len(errors) < FEWEST_LINES:
        return None
    drawn = _drawn(len(errors))
    rates = np.asarray(errors, float)[drawn].sum(axis=1) / np.maximum(np.asarray(words, float)[drawn].sum(axis=1), 1e-9)
    return _ends(np.asarray(similarities, float)[drawn].mean(axis=1) - np.minimum(rates, 1.0), level)


def _drawn(lines: int) -> np.ndarray:
    """The same resamples for the same number of lines, so that figures of the same lines are compared in pairs."""
    return np.random.default_rng(_SEED).integers(0, lines, (_RESAMPLES, lines))


def _ends(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return round(float(low), 4), round(float(high), 4)
