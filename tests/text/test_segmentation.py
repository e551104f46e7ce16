import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemill.text.routes import route
from voicemill.text.segmentation import segment


def stretches(text: str, default: str = "") -> list[tuple[str, str]]:
    return [(stretch.language, stretch.text) for stretch in segment(text, default)]


def test_languages_are_told_apart():
    assert stretches("我喜欢听ジャズ、私はアメリカに行きたい。It is nice. 안녕하세요.")[-2:] == [
        ("en", "It is nice. "),
        ("ko", "안녕하세요."),
    ]


def test_numbers_take_the_language_of_their_neighbours():
    assert stretches("今天是3号") == [("zh", "今天是3号")]
    assert stretches("we have 3 cats") == [("en", "we have 3 cats")]


def test_a_number_keeps_its_signs_and_unit():
    for text in ("降到-5℃，很冷", "1/3的人走了", "跑了35.6km，很累", "售价是￥128.50，打折"):
        assert stretches(text) == [("zh", text)]
    assert stretches("我有3 apples")[-1] == ("en", "3 apples")


def test_with_a_default_only_english_is_told_apart():
    assert stretches("东京tower很高", "ja") == [("ja", "东京"), ("en", "tower"), ("ja", "很高")]


def test_nothing_of_one_kana_and_hangul_mixture_is_said_twice():
    text = "가나다アイウ라마바"
    assert "".join(stretch for _, stretch in stretches(text)) == text


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.sampled_from("今天我们あいうアカ가나다abc XYZ 123，。.!?"), max_size=40))
def test_letters_and_digits_stay_in_order(text: str):
    kept = "".join(stretch for _, stretch in stretches(text))
    assert [character for character in kept if character.isalnum()] == [c for c in text if c.isalnum()]


def test_a_given_detector_decides():
    asked: list[str] = []

    def always_japanese(text: str, answers: int) -> list[tuple[str, float]]:
        asked.append(text)
        return [("ja", 1.0)]

    found = segment("大学生活", detect=always_japanese)
    assert [stretch.language for stretch in found] == ["ja"]
    assert asked


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("实际吗", ["zh"]),
        ("実は日本が好きです。", ["ja"]),
        ("今日天気がいい", ["ja"]),
        ("ある“予言”の中だけに登場する。", ["ja"]),
        ("大学生です", ["ja"]),
        ("Hello 世界 world", ["en", "zh", "en"]),
        ("用 git push 推送 code", ["zh", "en", "zh", "en"]),
        ("GPU 显存 OOM 了", ["en", "zh", "en", "zh"]),
        ("你好吗こんにちは", ["zh", "ja"]),
        ("这是の字", ["zh", "ja", "zh"]),
    ],
)
def test_characters_that_a_language_lacks_decide(text: str, languages: list[str]):
    assert [language for language, _ in stretches(text)] == languages


@pytest.mark.parametrize(
    ("text", "named", "languages"),
    [
        ("5>3，x²=2", "zh", ["zh", "en", "zh"]),
        ("4x5=20", "ja", ["ja", "en", "ja"]),
        ("B2B", "ja", ["en"]),
        ("1+1=2, x=3", "ko", ["en"]),
        ("3 apples", "zh", ["en"]),
        ("1+1=2, x=3", "auto", ["en"]),
    ],
)
def test_numbers_among_letters_are_of_the_language_that_was_named(text: str, named: str, languages: list[str]):
    assert [stretch.language for stretch in route(text, named)] == languages
