"""A user's own pronunciations, which go before every dictionary.

`lexicon.csv` has a header and one word a line: `word,reading` or `word,language,reading`. A reading is written as the
language's own phonetics have it, syllables apart by spaces: pinyin for zh (`chong2 qing4`), Jyutping for yue
(`hoeng1 gong2`), ARPAbet for en (`HH AH0 L OW1`), kana for ja, Hangul for ko; or in phones of the symbol table.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicemill.errors import InputError
from voicemill.text import symbols
from voicemill.text.spoken import Spoken

_SCRIPTS = {
    "ja": "[\u3041-\u30ff]",
    "ko": "[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]",
    "zh": "[\u4e00-\u9fff]",
    "en": "[A-Za-z]",
}
_BY_CHARACTER = frozenset(["zh", "yue"])


@dataclass(frozen=True)
class Entry:
    """A word and its phones; in Chinese one list of phones a character."""

    word: str
    phones: tuple[tuple[str, ...], ...]


class Lexicon:
    """Words and their pronunciations by language.

    Args:
        entries: (word, language, reading); an empty language is told by the word's script.

    Raises:
        InputError: A reading cannot be read; the message names the word.
    """

    def __init__(self, entries: list[tuple[str, str, str]]) -> None:
        self._words: dict[str, dict[str, Entry]] = {}
        for word, language, reading in entries:
            language = language or _language(word)
            self._words.setdefault(language, {})[word.lower()] = _entry(word, language, reading)

    @classmethod
    def read(cls, path: Path) -> "Lexicon":
        """Read `lexicon.csv`.

        Raises:
            InputError: The file or a line of it cannot be used.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} cannot be read as a lexicon: {error}") from error
        entries = []
        for number, row in enumerate(rows, start=2):
            word, reading = (row.get("word") or "").strip(), (row.get("reading") or "").strip()
            if not word or not reading:
                raise InputError(f"{path}, line {number}: it needs columns `word` and `reading`, both filled in")
            entries.append((word, (row.get("language") or "").strip(), reading))
        try:
            return cls(entries)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def replace(self, language: str, norm_text: str, spoken: Spoken) -> Spoken:
        """Chinese: put the user's phones in the place of the words' characters."""
        pattern = self._pattern(language)
        if pattern is None or spoken.word2ph is None:
            return spoken
        parts, at = [], 0
        for count in spoken.word2ph:
            parts.append(spoken.phones[at : at + count])
            at += count
        for match in pattern.finditer(norm_text):
            parts[match.start() : match.end()] = [list(phones) for phones in self._words[language][match[0]].phones]
        phones = [phone for part in parts for phone in part]
        return Spoken(phones, [len(part) for part in parts])

    def split(self, language: str, text: str) -> list[tuple[str, tuple[str, ...] | None]]:
        """Other languages: the text cut around the user's words, each with its phones (None for the text between)."""
        pattern = self._pattern(language) if language not in _BY_CHARACTER else None
        if pattern is None:
            return [(text, None)]
        parts: list[tuple[str, tuple[str, ...] | None]] = []
        at = 0
        for match in pattern.finditer(text):
            entry = self._words[language][match[0].lower()]
            parts += [(text[at : match.start()], None), (match[0], tuple(p for part in entry.phones for p in part))]
            at = match.end()
        parts.append((text[at:], None))
        return [part for part in parts if part[0]]

    def _pattern(self, language: str) -> re.Pattern[str] | None:
        words = sorted(self._words.get(language, ()), key=len, reverse=True)
        if not words:
            return None
        alternatives = "|".join(map(re.escape, words))
        bounded = rf"(?<![A-Za-z])(?:{alternatives})(?![A-Za-z])" if language == "en" else alternatives
        return re.compile(bounded, re.IGNORECASE)


def _language(word: str) -> str:
    for language, script in _SCRIPTS.items():
        if re.search(script, word):
            return language
    raise InputError(f"the language of {word!r} is not to be seen: fill in the column `language`")


def _entry(word: str, language: str, reading: str) -> Entry:
    parts = reading.split()
    if all(symbols.knows(part, "v2") for part in parts):
        phones = _per_character(word, parts) if language in _BY_CHARACTER else [tuple(parts)]
    else:
        phones = _READERS[language](parts) if language in _READERS else None
        if phones and language in _BY_CHARACTER and len(phones) != len(word):
            raise InputError(f"{word!r} has {len(word)} characters and its reading {reading!r} {len(phones)} syllables")
    if not phones:
        raise InputError(
            f"{reading!r} is no reading of {word!r} in {language}: docs/text.md says how readings are written"
        )
    return Entry(word, tuple(phones))


def _per_character(word: str, phones: list[str]) -> list[tuple[str, ...]]:
    """Phones of a Chinese word shared out evenly, two a character."""
    if len(phones) != 2 * len(word):
        raise InputError(f"{word!r} needs two phones a character, {2 * len(word)}, and has {len(phones)}")
    return [tuple(phones[at : at + 2]) for at in range(0, len(phones), 2)]


def _pinyin(parts: list[str]) -> list[tuple[str, ...]] | None:
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

    from voicemill.text.mandarin import syllables

    found = []
    for part in parts:
        final = to_finals_tone3(part, neutral_tone_with_five=True)
        phones = syllables.phones(to_initials(part), final[:-1], final[-1:])
        if phones is None:
            return None
        found.append(tuple(phones))
    return found


def _jyutping(parts: list[str]) -> list[tuple[str, ...]] | None:
    from voicemill.text import cantonese

    found = [tuple(cantonese.syllable(part)) for part in parts]
    return found if all(found) else None


def _kana(parts: list[str]) -> list[tuple[str, ...]] | None:
    from voicemill.text import japanese

    phones = tuple(phone for phone in japanese.phonemize("".join(parts)).phones if symbols.knows(phone, "v2"))
    return [phones] if phones else None


def _hangul(parts: list[str]) -> list[tuple[str, ...]] | None:
    from voicemill.text import korean

    return [tuple(phone for phone in korean.phonemize(" ".join(parts)).phones if phone != ".")]


_READERS: dict[str, Callable[[list[str]], list[tuple[str, ...]] | None]] = {
    "zh": _pinyin,
    "yue": _jyutping,
    "ja": _kana,
    "ko": _hangul,
}
