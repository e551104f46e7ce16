"""Errors are planted as they are said to be."""

import random

import pytest

from benchmarks.proofreading_order import first_tenth, plant
from voicemill.text import scoring

EN = [f"sentence {word} stands here for all to read" for word in ("one", "two", "three", "four", "five", "six")]
ZH = ["今天天气很好", "他喜欢喝茶", "经济增长放缓了", "我们明天再去", "这本书很贵", "房价继续上涨"]


@pytest.mark.parametrize(("texts", "language"), [(EN, "en"), (ZH, "zh")])
@pytest.mark.parametrize("number", range(6))
def test_an_error_is_of_its_kind(texts: list[str], language: str, number: int) -> None:
    for seed in range(20):
        swapped, dropped, wrong = (
            plant(texts, number, kind, language, random.Random(seed))
            for kind in ("swapped", "dropped words", "wrong word")
        )
        assert swapped in texts and swapped != texts[number]
        before, after, changed = (
            one.split() if language == "en" else list(one) for one in (texts[number], dropped, wrong)
        )
        assert len(before) - len(after) in (2, 3, 4) and scoring.plain(dropped, language)
        assert len(changed) == len(before)
        assert sum(one != other for one, other in zip(before, changed, strict=True)) <= (1 if language == "en" else 2)


def test_the_first_tenth_are_the_highest() -> None:
    assert first_tenth([0.1, 0.9, 0.3]) == [1]
    assert first_tenth([number / 40 for number in range(40)]) == [39, 38, 37, 36]
