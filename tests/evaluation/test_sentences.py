"""The sentences that a voice is judged by."""

from collections import Counter

import pytest

from scripts.order_sentences import distance, ordered
from voicemill.evaluation.sentences import sentences
from voicemill.text import phonemize
from voicemill.text.scoring import phones

LANGUAGES = ("en", "zh", "ja", "ko", "yue")


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_sixty_that_differ_and_are_pronounced_whole(language: str) -> None:
    lines = sentences(language)
    assert len(set(lines)) == 60
    assert not [line for line in lines if phonemize(line, language).unpronounced]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_any_beginning_has_most_of_the_sounds(language: str) -> None:
    lines = sentences(language)
    assert list(lines) == ordered(list(lines), language), "run scripts/order_sentences.py"
    sounds = [Counter(phones(line, language)) for line in lines]
    whole = sum(sounds, Counter())
    first, last = (sum(part, Counter()) for part in (sounds[:12], sounds[-12:]))
    assert distance(first, whole) < distance(last, whole)
    assert sum(whole[phone] for phone in first) > 0.97 * whole.total()
