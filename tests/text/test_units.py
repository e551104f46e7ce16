"""Which phones belong to which word, and where words stand in a text."""

import itertools

import pytest

from voicemill.text.frontend import phonemize
from voicemill.text.units import spans, units


def words(text: str, language: str) -> list[tuple[str, str]]:
    """Each word as it stands in the text, and its phones."""
    phonemes = phonemize(text, language)
    found = units(phonemes.segments, "v2")
    places = spans(text, [unit.text for unit in found])
    return [
        (text[start:end], " ".join(phonemes.phones[unit.first : unit.last]))
        for unit, (start, end) in zip(found, places, strict=True)
    ]


def test_english_words_have_their_phones_in_company_and_figures_have_all_of_theirs():
    assert words("Dr. Smith read it, and will read 12 more.", "en") == [
        ("Dr.", "D AA1 K T ER0"),
        ("Smith", "S M IH1 TH"),
        ("read", "R IY1 D"),
        ("it,", "IH1 T"),
        ("and", "AH0 N D"),
        ("will", "W IH1 L"),
        ("read", "R IY1 D"),
        ("12", "T W EH1 L V"),
        ("more.", "M AO1 R"),
    ]


def test_marks_stand_with_the_word_that_they_belong_to():
    assert [word for word, _ in words('He said "really?" (twice) — and left.', "en")] == [
        "He",
        "said",
        '"really?"',
        "(twice) —",
        "and",
        "left.",
    ]


def test_chinese_goes_by_characters_and_a_figure_is_one():
    assert words("他说「你好」，花了25元。", "zh") == [
        ("他", "t a1"),
        ("说", "sh uo1"),
        ("「你", "n i2"),
        ("好」，", "h ao3"),
        ("花", "h ua1"),
        ("了", "l e5"),
        ("25", "EE er4 sh ir2 w u3"),
        ("元。", "y van2"),
    ]


def test_japanese_goes_by_characters_within_its_words():
    found = words("私は東京に行きました。", "ja")
    assert "".join(word for word, _ in found) == "私は東京に行きました。"
    assert found[1] == ("は", "w a")
    assert [word for word, _ in found][:5] == ["私", "は", "東", "京", "に"]


def test_korean_goes_by_its_spaces():
    assert [word for word, _ in words("안녕하세요, 저는 학생입니다.", "ko")] == ["안녕하세요,", "저는", "학생입니다."]


def test_languages_in_one_text():
    assert [word for word, _ in words("Hello 世界, this is it.", "auto")] == ["Hello", "世", "界,", "this", "is", "it."]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The old mill by the river has ground corn since 1790, hasn't it?", "en"),
        ("今天下午3点我们一起去喝茶。", "zh"),
        ("佢哋去咗邊度？", "yue"),
        ("今日は1990年です。", "ja"),
        ("오늘은 날씨가 좋습니다.", "ko"),
    ],
)
def test_phones_of_words_come_in_order_and_none_belongs_to_two(text: str, language: str):
    phonemes = phonemize(text, language)
    found = units(phonemes.segments, "v2")
    assert found[0].first <= 1
    for before, after in itertools.pairwise(found):
        assert before.first < before.last <= after.first < after.last <= len(phonemes.phones)


def test_words_that_a_text_does_not_have_get_no_place():
    assert spans("One two.", ["One", "three", "two"]) == [(0, 3), (0, 0), (4, 8)]
    assert spans("", []) == []
    assert spans("...", []) == []
