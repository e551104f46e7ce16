"""How sure a figure is that was measured on a few lines: percentile bootstrap over the lines (Efron 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

RESAMPLES = 2_000
_SEED = 0
FEWEST_LINES = 3
"""Of fewer lines no interval is given: resampling them says nothing."""

Interval = tuple[float, float]


def ratio(parts: Sequence[float], wholes: Sequence[float], *, level: float = 0.95) -> Interval | None:
    """Return the interval of a sum over a sum, such as errors over words.

    Args:
        parts: Of each line, above the bar.
        wholes: Of each line, below it; ones for a mean.
        level: Share of resamples that the interval holds.

    Returns:
        Its ends, or None for fewer than `FEWEST_LINES` lines.
    """
    if len(parts) < FEWEST_LINES:
        return None
    return ends(resampled_ratio(parts, wholes), level=level)


def wilson(count: int, of: int, *, z: float = 1.96) -> Interval:
    """Return the interval of a share (Wilson 1927), which is right at 0 and 1 too, where a bootstrap has no width.

    Args:
        count: How many.
        of: Of how many.
        z: Deviations of the normal distribution on either side; 1.96 holds 95 %.
    """
    if not of:
        return 0.0, 1.0
    share, spread = count / of, z * z / of
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return round(max(0.0, (middle - half) / (1 + spread)), 4), round(min(1.0, (middle + half) / (1 + spread)), 4)


def resampled_ratio(parts: Sequence[float] | np.ndarray, wholes: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return a sum over a sum in each resample of the lines, `[RESAMPLES]`; arguments as of `ratio`."""
    drawn = resamples(len(parts))
    above, below = np.asarray(parts, float)[drawn].sum(axis=1), np.asarray(wholes, float)[drawn].sum(axis=1)
    return above / np.maximum(below, 1e-9)


@cache
def resamples(lines: int) -> np.ndarray:
    """Return the numbers of the lines of each resample, `[RESAMPLES, lines]`.

    They are the same for the same number of lines: two voices that spoke the same lines are resampled alike, so that
    the difference of their figures is a paired one.
    """
    return np.random.default_rng(_SEED).integers(0, lines, (RESAMPLES, lines))


def ends(values: np.ndarray, *, level: float = 0.95) -> Interval:
    """Return the two-sided percentile interval of resampled values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return round(float(low), 4), round(float(high), 4)
