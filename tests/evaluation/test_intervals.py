"""Intervals of figures of a few lines."""

import numpy as np
import pytest

from voicemill.evaluation import intervals


def test_an_interval_holds_the_true_rate_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        words = rng.integers(6, 12, 30)
        found = intervals.ratio(list(rng.binomial(words, 0.3)), list(words))
        assert found
        held += found[0] <= 0.3 <= found[1]
    assert 176 <= held <= 199


def test_more_lines_make_it_narrower() -> None:
    few, many = (intervals.ratio([1, 0, 2] * count, [8, 9, 10] * count) for count in (2, 20))
    assert few and many and many[1] - many[0] < few[1] - few[0]


def test_two_lines_have_none() -> None:
    assert intervals.ratio([1, 0], [5, 5]) is None and intervals.score([1, 0], [5, 5], [0.8, 0.9]) is None


def test_the_score_counts_an_error_rate_above_one_as_one() -> None:
    assert intervals.score([20, 20, 20], [5, 5, 5], [0.5, 0.5, 0.5]) == pytest.approx((-0.5, -0.5))
