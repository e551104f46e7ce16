"""Cases of other projects' test suites that were read right before figures were read by tables, and must stay so.

A row says how its input is spoken, which is read in turn: only phones count, in English without stress and in Japanese
with long vowels alike.
"""

import csv
import re
from pathlib import Path

import pytest

from voicemill.text import phonemize, symbols

_SILENT = {*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停", "[", "]"}
_LONG = {("o", "u"): "o", ("e", "i"): "e"}
CASES = [
    (language, row["input"], row["spoken"])
    for language in ("en", "ja", "ko")
    for row in csv.DictReader(Path(__file__).with_name(f"regression_{language}.csv").open(encoding="utf-8"))
]


def sounds(text: str, language: str) -> list[str]:
    phones = [phone for phone in phonemize(text, language, lead_in=False).phones if phone not in _SILENT]
    if language == "ja":
        phones = [_LONG.get((before, phone), phone) for before, phone in zip(["", *phones], phones, strict=False)]
    return [re.sub(r"(?<=[A-Z])\d", "", phone) for phone in phones]


@pytest.mark.parametrize(("language", "written", "spoken"), CASES)
def test_what_was_read_right_still_is(language: str, written: str, spoken: str):
    assert sounds(written, language) == sounds(spoken, language)
