"""The scorer on pairs whose errors are known: what is said alike counts as equal, what is not is counted."""

from collections import Counter

import pytest

from benchmarks.scorers import Pair, jiwer_plain, ours, pairs

PAIRS = pairs()


def test_there_are_forty_different_pairs_for_each_language() -> None:
    assert Counter(pair.language for pair in PAIRS) == dict.fromkeys(["en", "zh", "ja", "ko", "yue"], 40)
    assert len({(pair.language, pair.asked, pair.heard) for pair in PAIRS}) == 200


@pytest.mark.parametrize("language", ["en", "zh", "ja", "ko", "yue"])
def test_nearly_all_pairs_that_are_said_alike_have_no_error(language: str) -> None:
    alike = [pair for pair in PAIRS if pair.language == language and not pair.errors]
    counted = [pair for pair in alike if ours(pair.asked, pair.heard, language)]
    assert len(counted) <= 4, counted
    assert len(alike) - len(counted) > sum(jiwer_plain(pair.asked, pair.heard, language) == 0 for pair in alike)


def test_true_errors_are_counted_to_within_one() -> None:
    def is_missed(pair: Pair) -> bool:
        return abs(ours(pair.asked, pair.heard, pair.language) - pair.errors) > 1

    assert not [pair for pair in PAIRS if pair.errors and is_missed(pair)]
