"""The examples of docs/reference/text.md are what the front-end says."""

import re
from pathlib import Path

import pytest

from voicemill.text import phonemize

GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "text.md"


def examples() -> list[tuple[str, str, str, str]]:
    found, language = [], ""
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        heading = re.match(r"### .*\(`(\w+)`\)", line)
        language = heading[1] if heading else language
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if language and len(cells) == 3 and cells[0] not in ("text", "---"):
            found.append((language, *cells))
    return found


def test_every_language_has_ten():
    languages = [language for language, *_ in examples()]
    assert {language: languages.count(language) for language in languages} == dict.fromkeys(
        ["zh", "en", "ja", "ko", "yue"], 10
    )


@pytest.mark.parametrize(("language", "text", "said", "phones"), examples())
def test_example(language: str, text: str, said: str, phones: str):
    phonemes = phonemize(text, language)
    assert phonemes.norm_text == said
    assert " ".join(phonemes.phones) == phones
