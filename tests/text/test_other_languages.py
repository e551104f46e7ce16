"""Japanese, Korean and Cantonese: the marks and spellings that the public weights learned."""

import pytest

from voicemill.core.errors import InputError
from voicemill.text import cantonese, phonemize_segment


def phones(text: str, language: str) -> str:
    return " ".join(phonemize_segment(text, language).phones)


def test_japanese_marks_where_the_pitch_rises_and_falls():
    assert phones("こんにちは、元気ですか？", "ja") == "k o [ N n i ch i w a , g e ] N k i d e s u k a ?"


def test_the_end_of_an_accent_phrase_is_the_unknown_phone():
    assert "UNK" in phones("今日はいい天気です。", "ja")


def test_korean_is_spelled_as_it_sounds():
    assert phones("안녕하세요", "ko") == "ㅇ ㅏ ㄴ ㄴ ㅣ ㅓ ㅇ ㅎ ㅏ ㅅ ㅔ ㅇ ㅣ ㅗ ."


def test_old_korean_letters_are_pauses():
    assert phones("가ᅟퟺ", "ko") == "ㄱ ㅏ 停 停"


def test_cantonese_has_an_onset_and_a_toned_rime():
    segment = phonemize_segment("你好，唔該。", "yue")
    assert " ".join(segment.phones) == "Yn Yei5 Yh You2 , Ym Ym4 Yg Yoi1 ."
    assert segment.word2ph == [2, 2, 1, 2, 2, 1]


@pytest.mark.parametrize("language", ["ko", "yue"])
def test_v1_has_no_phones_for_them(language: str):
    with pytest.raises(InputError, match="v1"):
        phonemize_segment("好", language, "v1")


@pytest.mark.parametrize(("word", "reading"), cantonese.readings().items())
def test_a_cantonese_word_is_spoken_as_its_row_says(word: str, reading: str):
    wanted = [phone for syllable in reading.split() for phone in cantonese.syllable(syllable)]
    assert cantonese.phonemize(word).phones == wanted
