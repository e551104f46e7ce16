"""Every letter, digit or sign of a figure is heard (without it the text sounds otherwise) or reported."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemill.text import phonemize, symbols
from voicemill.text.silent import wants_sound

_SILENT = {*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停", "[", "]"}
_SENTENCES = {"en": "It is {} here.", "ja": "これは{}です。", "ko": "이것은 {} 입니다."}
_UNITS = [
    "km",
    "kg",
    "cm",
    "mm",
    "ml",
    "mg",
    "m",
    "g",
    "%",
    "℃",
    "°C",
    "km/h",
    "GB",
    "MB",
    "Hz",
    "kWh",
    "xyz",
    "㎏",
    "m²",
]
_SIGNS = ["$", "€", "£", "¥", "±", "+", "-", "~", "#", "№", "√", "US$", "x", "<", ">", "≥"]
_BETWEEN = ["-", "~", ":", "/", ".", ",", "+", "×", "=", " ", "x", "*", "^", "@", "&", "〜"]

_numbers = st.one_of(
    st.integers(1, 99).map(str),
    st.integers(100, 9999).map(str),
    st.integers(1000, 9_999_999).map("{:,}".format),
    st.decimals("0.1", "999", places=1, allow_nan=False).map(str),
)
_figures = st.one_of(
    st.tuples(_numbers, st.sampled_from(["", " "]), st.sampled_from(_UNITS)),
    st.tuples(st.sampled_from(_SIGNS), st.sampled_from(["", " "]), _numbers),
    st.tuples(_numbers, st.sampled_from(_BETWEEN), _numbers),
    st.tuples(st.sampled_from(["A", "GPT-", "USB"]), _numbers),
).map("".join)


def full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def sounds(text: str, language: str) -> list[str]:
    return [phone for phone in phonemize(text, language, lead_in=False).phones if phone not in _SILENT]


@pytest.mark.parametrize("language", _SENTENCES)
@settings(max_examples=100, deadline=None)
@given(figure=st.one_of(_figures, _figures.map(full_width)))
def test_every_sign_of_a_figure_is_heard_or_reported(language: str, figure: str):
    sentence = _SENTENCES[language]
    text, start = sentence.format(figure), sentence.index("{")
    phonemes = phonemize(text, language, lead_in=False)
    reported = {silent.position for silent in phonemes.unpronounced}
    said = [phone for phone in phonemes.phones if phone not in _SILENT]
    for at in range(start, start + len(figure)):
        if text[at] in "CＣ" and text[at - 1] == "°" and language != "en":  # which alone is 度 and 도 as well
            continue
        # A nought may be said by nothing but the place of the digits before it, and leads a clock's or a day's number.
        if at in reported or not wants_sound(text[at]) or unicodedata.normalize("NFKC", text[at]) == "0":
            continue
        assert sounds(text[:at] + text[at + 1 :], language) != said, f"{text[at]!r} of {text!r}: {phonemes.norm_text}"
