"""Errors are planted where they are said to be, one of each kind."""

import random

import pytest

from benchmarks.proofreading_order import KINDS, first_tenth, plant
from voicemill.text import scoring

EN = [f"sentence {word} stands here for all to read" for word in ("one", "two", "three", "four", "five", "six")]
ZH = ["今天天气很好", "他喜欢喝茶", "经济增长放缓了", "我们明天再去", "这本书很贵", "房价继续上涨"]


@pytest.mark.parametrize(("texts", "language"), [(EN, "en"), (ZH, "zh")])
def test_each_kind_of_error_is_in_a_clip_of_its_own(texts: list[str], language: str) -> None:
    for seed in range(20):
        changed, where = plant(texts, language, random.Random(seed))
        assert sorted(where.values()) == sorted(KINDS)
        assert {number for number in range(6) if changed[number] != texts[number]} <= where.keys()
        swapped = next(number for number, kind in where.items() if kind == "swapped")
        assert changed[swapped] in texts and changed[swapped] != texts[swapped]
        dropped = next(number for number, kind in where.items() if kind == "dropped words")
        units = (len(one.split()) if language == "en" else len(one) for one in (texts[dropped], changed[dropped]))
        assert next(units) - next(units) in (2, 3, 4)
        assert scoring.plain(changed[dropped], language)


def test_the_first_tenth_are_the_highest() -> None:
    assert first_tenth([0.1, 0.9, 0.3]) == [1]
    assert first_tenth([number / 40 for number in range(40)]) == [39, 38, 37, 36]
