"""The measures of a voice's quality on strings and sounds whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.measures import Heard, Summary, interval, phones, spoken_seconds, written_out
from tests.speech import speech
from voicemill.evaluation.metrics import Errors, count_errors, errors


def sentence(name: str, wrong: int, words: int, similarity: float = 0.8, **others: float) -> Heard:
    counted = Errors(wrong, words), Errors(wrong, 4 * words)
    return Heard(name, "Asked.", "Heard.", *counted, similarity, others, 3.5, 4.0, 3.0, 2.0, Path(f"{name}.wav"))


def test_phones_know_neither_stress_nor_marks_nor_spelling() -> None:
    assert phones("The cat, sat!", "en") == ["DH", "AH", "K", "AE", "T", "S", "AE", "T"]
    assert phones("colour", "en") == phones("color", "en")


def test_a_wrong_phone_is_one_error_of_as_many_as_were_asked() -> None:
    found = count_errors(phones("the cat sat", "en"), phones("the bat sat", "en"))
    assert (found.count, found.length) == (1, 8)
    assert errors("the cat sat", "the bat sat", "en") == Errors(1, 3)


def test_figures_are_words_however_they_are_written() -> None:
    asked, heard = (written_out(text, "en") for text in ("It cost forty-two dollars.", "it cost 42 dollars"))
    assert errors(asked, heard, "en").count == 0


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


def test_silence_around_speech_takes_no_time() -> None:
    said = speech(2.0)
    silence = np.zeros(16_000, np.float32)
    alone = spoken_seconds(said, 16_000)
    surrounded = spoken_seconds(np.concatenate([silence, said, silence, silence]), 16_000)
    assert alone is not None and surrounded is not None
    assert surrounded == pytest.approx(alone, abs=0.2) and 1 < alone <= 2.1
    assert spoken_seconds(silence, 16_000) is None


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
