"""Intervals of figures of a few lines."""

import numpy as np

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
    assert intervals.ratio([1, 0], [5, 5]) is None


def test_voices_that_spoke_the_same_lines_are_resampled_alike() -> None:
    one, other = (intervals.resampled_ratio([added, 1 + added, 2 + added], [1, 1, 1]) for added in (0, 1))
    np.testing.assert_allclose(other - one, 1.0)


def test_a_share_has_an_interval_at_its_ends_too() -> None:
    # Values of Newcombe (1998), table I.
    assert intervals.wilson(81, 263) == (0.2553, 0.3662)
    assert intervals.wilson(0, 20) == (0.0, 0.1611) and intervals.wilson(29, 29) == (0.883, 1.0)
    assert intervals.wilson(0, 0) == (0.0, 1.0)
