"""Mandarin transcripts are written in one script and with Chinese marks."""

import pytest

from voicemill.asr.orthography import Script, consistent


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("就是根據經濟體自身情況決定", "就是根据经济体自身情况决定"),
        ("今天天氣很好, 我們走吧.", "今天天气很好，我们走吧。"),
        ("是嗎?好!", "是吗？好！"),
        ("他说 你好", "他说你好"),
        ("增长了1.5倍, 达到３０%", "增长了1.5倍，达到30%"),
        ("我用 Wi-Fi 上网", "我用 Wi-Fi 上网"),
        ("时间:2:15", "时间:2:15"),
    ],
)
def test_a_mandarin_transcript(heard: str, written: str) -> None:
    assert consistent(heard, "zh", "simplified") == written


@pytest.mark.parametrize(
    ("script", "written"), [("traditional", "根據情況"), ("simplified", "根据情况"), ("as-heard", "根据情況")]
)
def test_the_script_can_be_chosen(script: Script, written: str) -> None:
    assert consistent("根据情況", "zh", script) == written


@pytest.mark.parametrize(
    ("language", "text"), [("yue", "我喺香港食咗飯,好飽."), ("ja", "時間,です."), ("en", "One, two.")]
)
def test_other_languages_stay_as_heard(language: str, text: str) -> None:
    assert consistent(text, language, "simplified") == text
