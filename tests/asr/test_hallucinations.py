"""Phrases that Whisper makes up are flagged; the same words in a sentence of somebody's are not."""

import pytest

from voicemill.asr.flags import flags
from voicemill.asr.hallucinations import is_hallucination, phrases


@pytest.mark.parametrize("row", phrases(), ids=lambda row: row["example"])
def test_every_row_matches_its_example(row: dict[str, str]) -> None:
    assert is_hallucination(row["example"], row["language"] or "en")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Thank you for coming to see me."),
        ("en", "He used to watch the birds, and thanked me for the seed."),
        ("en", "They subscribe to three newspapers and read none of them."),
        ("en", "The music stopped."),
        ("zh", "谢谢你来看我。"),
        ("zh", "他喜欢作曲和绘画。"),
        ("ja", "お手紙をありがとうございました。"),
        ("ko", "도와주셔서 감사합니다."),
    ],
)
def test_ordinary_sentences_are_not_flagged(language: str, text: str) -> None:
    assert not is_hallucination(text, language)


def test_a_hallucination_is_a_flag() -> None:
    assert flags("字幕由Amara.org社区提供", "zh", 3.0, 0.9, 0.5) == ["hallucination"]
