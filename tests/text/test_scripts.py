"""What a text looks like, and how much of it a language's front-end does not read."""

from __future__ import annotations

import pytest

from voicemill.text import phonemize
from voicemill.text.scripts import TOO_MUCH, looks_like, unread_share

TEXTS = {
    "今日はいい天気ですね": "ja",
    "カタカナ語ばかり": "ja",
    "今天天气真不错，我们去公园吧。": "zh",
    "안녕하세요 여러분": "ko",
    "Hello there, Zoë.": "en",
    "привет, мир": "",
    "123 !?": "",
}


@pytest.mark.parametrize(("text", "language"), TEXTS.items())
def test_a_script_tells_the_language(text: str, language: str) -> None:
    assert looks_like(text) == language


@pytest.mark.parametrize("language", ["zh", "yue", "en", "ja", "ko"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_estimate_agrees_with_what_the_front_end_says(text: str, language: str) -> None:
    letters = [at for at, sign in enumerate(text) if sign.isalpha()]
    silent = {sign.position for sign in phonemize(text, language, lead_in=False).unpronounced}
    share = len(silent.intersection(letters)) / max(1, len(letters))
    assert (unread_share(text, language) >= TOO_MUCH) == (share >= TOO_MUCH)
