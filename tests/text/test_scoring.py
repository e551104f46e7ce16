"""Two texts are compared as they are spoken, not as they are written."""

import pytest

from voicemill.core.errors import InputError
from voicemill.text.scoring import Difference, difference, phones, pooled, score

ALIKE = [
    (
        "en",
        "The 15th of May, 42 people paid $5.20.",
        "the fifteenth of may forty-two people paid five dollars and twenty cents",
    ),
    ("en", "A grey, colour-blind neighbour", "a gray color blind neighbor"),
    ("en", "Anyone can not go; it's theirs.", "Any one cannot go. Its there's"),
    ("en", "A Bible of about fourteen fifty-five", "a bible of about 1455"),
    ("en", "There were 1455 birds", "there were one thousand four hundred and fifty five birds"),
    ("en", "She counted one hundred and seven birds.", "She counted 107 birds."),
    ("zh", "增长了1.5倍。", "增長了一點五倍"),
    ("zh", "他得到了", "她的到了"),
    ("ja", "10時に東京へ行く。", "じゅうじに東京へいく"),
    ("ko", "10시에 서울에 갔다.", "열시에서울에 갔다"),
    ("yue", "食咗3碗飯。", "食咗三碗饭"),
]


@pytest.mark.parametrize(("language", "asked", "heard"), ALIKE)
def test_what_is_spoken_alike_has_no_errors(language: str, asked: str, heard: str) -> None:
    found = score(asked, heard, language)
    assert found.words.errors == 0 and found.words.longest_run == 0


@pytest.mark.parametrize(
    ("language", "asked", "heard", "words"),
    [
        ("en", "She walked home", "She talked home", Difference(1, 3, 1)),
        ("en", "She walked home", "walked home", Difference(1, 3, 1, missing_at_start=1)),
        ("en", "She walked home", "She walked", Difference(1, 3, 1, missing_at_end=1)),
        ("en", "She walked home", "She walked home thanks for watching", Difference(3, 3, 3, added_at_end=3)),
        ("en", "She walked home", "", Difference(3, 3, 3, missing_at_start=3, missing_at_end=3)),
        ("en", "Of about fourteen fifty-five", "of about 1456", Difference(1, 5, 1, missing_at_end=1)),
        ("en", "A hundred and they left", "A hundred they left", Difference(1, 5, 1)),
        ("zh", "今天天气很好", "今天天气不好", Difference(1, 6, 1)),
        ("zh", "买", "卖", Difference(1, 1, 1, missing_at_start=1, missing_at_end=1)),
    ],
)
def test_where_two_texts_differ_is_told(language: str, asked: str, heard: str, words: Difference) -> None:
    assert score(asked, heard, language).words == words


def test_a_wrong_tone_is_an_error_of_characters_and_none_of_phones() -> None:
    found = score("我要买书", "我要卖书", "zh")
    assert (found.words.errors, found.phones.errors) == (1, 0)


def test_a_text_without_words_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="has no word to compare"):
        score("...", "what", "en")


def test_lines_are_pooled_by_what_they_hold() -> None:
    both = pooled([difference("abcd", "abcx"), difference("a", "x")])
    assert both == Difference(2, 5, 1, 1, 2, 0)
    assert both.rate == pytest.approx(0.4)


def test_many_words_take_time_that_grows_with_their_number() -> None:
    said = "the quick brown fox jumps over the lazy dog " * 200
    assert score(said, said.replace("lazy", "hazy"), "en").words.errors == 200


def test_phones_know_neither_stress_nor_marks_nor_spelling() -> None:
    assert phones("The cat, sat!", "en") == ["DH", "AH", "K", "AE", "T", "S", "AE", "T"]
    assert phones("colour", "en") == phones("color", "en")


def test_a_wrong_phone_is_one_error_of_as_many_as_were_asked() -> None:
    found = score("the cat sat", "the bat sat", "en")
    assert (found.phones.errors, found.phones.length) == (1, 8)
    assert (found.words.errors, found.words.length) == (1, 3)
