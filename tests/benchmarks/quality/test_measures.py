"""The measures of a voice's quality on strings and sounds whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quality import table
from benchmarks.quality.measures import Heard, Summary, interval
from voicemill.text.scoring import Difference


def sentence(name: str, wrong: int, words: int, similarity: float = 0.8, **others: float) -> Heard:
    counted = Difference(wrong, words), Difference(wrong, 4 * words)
    return Heard(name, "Asked.", "Heard.", *counted, similarity, others, 3.5, 4.0, 3.0, 2.0, Path(f"{name}.wav"))


def test_an_interval_holds_its_rate_and_depends_on_the_seed_alone() -> None:
    wrong, words = [0, 1, 3, 0, 2, 5, 1, 0], [8, 9, 11, 10, 9, 12, 7, 10]
    found = interval(wrong, words, seed=3)
    assert found.value == pytest.approx(12 / 76)
    assert found.low is not None and found.high is not None
    assert 0 < found.low < found.value < found.high < 0.5
    assert interval(wrong, words, seed=3) == found
    assert interval(wrong, words, seed=4) != found


def test_one_sentence_has_no_interval() -> None:
    assert interval([1.0], [4.0]).low is None


def test_long_sentences_weigh_more_in_error_rates() -> None:
    figures = Summary("voice", [sentence("a", 1, 2), sentence("b", 0, 8)]).figures()
    rate = figures["wer"]
    assert rate is not None and rate.value == pytest.approx(0.1)


def test_the_margin_is_over_the_most_similar_other_speaker() -> None:
    heard = [sentence("a", 0, 3, 0.9, ann=0.5, bob=0.6), sentence("b", 0, 3, 0.7, ann=0.4, bob=0.7)]
    figures = Summary("voice", heard).figures()
    margin, to_bob = figures["margin"], figures["to bob"]
    assert margin is not None and margin.value == pytest.approx(0.15)
    assert to_bob is not None and to_bob.value == pytest.approx(0.65)


def test_a_second_recogniser_has_a_column_of_its_own() -> None:
    rows = [replace(sentence("a", 1, 10), also={"whisper": Difference(wrong, 10)}) for wrong in (0, 4)]
    summary = Summary("voice", rows)
    found = summary.figures()["wer by whisper"]
    assert found is not None and found.value == pytest.approx(0.2)
    heading, row = table.rows([summary])
    assert row[heading.index("word errors by whisper")].startswith("20.0 %")
