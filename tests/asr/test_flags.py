"""Which transcripts a person should look at."""

import pytest

from voicemill.asr.flags import flags, loops


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("thank you thank you thank you thank you", "en"),
        ("and so on and so on and so on we went", "en"),
        ("no no no no no", "en"),
        ("谢谢观看谢谢观看谢谢观看", "zh"),
        ("ご視聴ありがとうご視聴ありがとうご視聴ありがとう", "ja"),
        ("the end. The end! THE END, the end", "en"),
    ],
)
def test_a_phrase_said_again_and_again_is_a_loop(text: str, language: str) -> None:
    assert loops(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("no, no, no, that is not what I meant", "en"),
        ("he said that that that he used was wrong", "en"),
        ("看看看，天天向上，好好学习", "zh"),
        ("row row row your boat", "en"),
        ("", "en"),
    ],
)
def test_ordinary_repetition_is_none(text: str, language: str) -> None:
    assert not loops(text, language)


def test_more_than_anybody_can_say_is_too_fast() -> None:
    assert flags("一二三四五六七八九十" * 2, "zh", 1.5, 1.0, 0.5) == ["too-fast"]
    assert flags("一二三四五六七八九十", "zh", 2.0, 1.0, 0.5) == []


def test_punctuation_alone_is_empty() -> None:
    assert flags(" ... ！", "zh", 2.0, 1.0, 0.5) == ["empty"]


def test_low_confidence_is_flagged_by_the_recognisers_own_scale() -> None:
    assert flags("fine", "en", 1.0, 0.6, trusted_above=0.7) == ["low-confidence"]
    assert flags("fine", "en", 1.0, 0.6, trusted_above=0.5) == []
