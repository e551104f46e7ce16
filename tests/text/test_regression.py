"""Cases of other projects' test suites that were read right before figures were read by tables, and must stay so.

A row says how its input is spoken, which is read in turn: only phones count, in English without stress and in Japanese
with long vowels alike. Of an input with bars (`银|行|`) what is between is read as its pinyin or Jyutping says.
"""

import csv
import re
from pathlib import Path

import pytest
from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

from voicemill.text import cantonese, phonemize, symbols
from voicemill.text.mandarin import syllables

_SILENT = {*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停", "[", "]"}
_LONG = {("o", "u"): "o", ("e", "i"): "e"}
CASES = [
    (language, row["input"], row["spoken"])
    for language in ("en", "ja", "ko", "zh", "yue")
    for row in csv.DictReader(Path(__file__).with_name(f"regression_{language}.csv").open(encoding="utf-8"))
]


def sounds(text: str, language: str) -> list[str]:
    phones = [phone for phone in phonemize(text, language, lead_in=False).phones if phone not in _SILENT]
    if language == "ja":
        phones = [_LONG.get((before, phone), phone) for before, phone in zip(["", *phones], phones, strict=False)]
    return [re.sub(r"(?<=[A-Z])\d", "", phone) for phone in phones]


def syllable(reading: str, language: str) -> list[str]:
    if language == "yue":
        return list(cantonese.syllable(reading))
    reading = reading.replace("u:", "v")
    final = to_finals_tone3(reading, neutral_tone_with_five=True)
    return syllables.phones(to_initials(reading), final[:-1], final[-1])


def at_bars(text: str, language: str) -> list[list[str]]:
    """Phones of the characters between bars."""
    parts = text.split("|")
    heard: list[tuple[str, list[str]]] = []
    for segment in phonemize("".join(parts), language, lead_in=False).segments:
        at = 0
        for written, count in zip(segment.norm_text, segment.word2ph or [], strict=False):
            heard.append((written, segment.phones[at : at + count]))
            at += count
    found: list[list[str]] = []
    for number in range(1, len(parts), 2):
        before = "".join(parts[:number]).count(parts[number])
        found.append([phones for written, phones in heard if written == parts[number]][before])
    return found


@pytest.mark.parametrize(("language", "written", "spoken"), CASES)
def test_what_was_read_right_still_is(language: str, written: str, spoken: str):
    if "|" in written:
        assert at_bars(written, language) == [syllable(reading, language) for reading in spoken.split()]
        return
    assert sounds(written, language) == sounds(spoken, language)
