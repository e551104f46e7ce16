"""A user's own pronunciations, which go before every dictionary.

`lexicon.csv` has a header and one word a line: `word,reading` or `word,language,reading`. A reading is written as the
language's own phonetics have it, syllables apart by spaces: pinyin for zh (`chong2 qing4`), Jyutping for yue
(`hoeng1 gong2`), ARPAbet for en (`HH AH0 L OW1`), kana for ja, Hangul for ko; or in phones of the symbol table.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from voicemill.core import untrusted
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError
from voicemill.text import notation
from voicemill.text.notation import BY_CHARACTER, LANGUAGES, Entry
from voicemill.text.spelling import plain
from voicemill.text.spoken import Spoken

_READINGS = ("reading", "phones", "pinyin")
_COLUMNS = {"word", "language", *_READINGS}
# Words with such characters are torn apart where languages are distinguished.
_TORN = {"en": re.compile("[^a-z' ]"), "ja": re.compile("[a-z0-9]"), "ko": re.compile("[a-z0-9]")}
_LETTER = "a-z"
_SHOWN = 10


class Lexicon:
    """Words and their pronunciations by language.

    Args:
        entries: (word, language, reading); an empty language is told by the word's script.

    Raises:
        InputError: A reading cannot be read, or a word comes twice; the message names the word.
    """

    def __init__(self, entries: Iterable[tuple[str, str, str]] = ()) -> None:
        self._words: dict[str, dict[str, Entry]] = {}
        self._patterns: dict[str, re.Pattern[str] | None] = {}
        for entry in entries:
            self._add(*entry)

    @property
    def digest(self) -> str:
        """Digest of its words and their readings."""
        words = {language: {word: asdict(entry) for word, entry in of.items()} for language, of in self._words.items()}
        return content_digest(json.dumps(words, sort_keys=True, ensure_ascii=False))

    def __len__(self) -> int:
        return sum(map(len, self._words.values()))

    @classmethod
    def read(cls, path: Path) -> "Lexicon":
        """Read `lexicon.csv`.

        Raises:
            InputError: The file cannot be read, or naming its wrong lines (the first ten of them).
        """
        text = untrusted.read_text(path)
        lexicon, problems = cls(), []
        try:
            rows = csv.DictReader(io.StringIO(text, newline=""), restkey="more", restval="", strict=True)
            rows.fieldnames = columns = [name.strip().lower() for name in rows.fieldnames or ()]
            if "word" not in columns or not set(columns) & set(_READINGS) or not set(columns) <= _COLUMNS:
                raise InputError(f"{path}, line 1: the columns are word, reading and (optional) language")
            for row in rows:
                try:
                    lexicon._add_row(row)
                except InputError as error:
                    problems.append(f"line {rows.line_num}: {error}")
        except csv.Error as error:
            raise InputError(f"{path} cannot be read as a lexicon: {error}") from error
        if problems:
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise InputError(f"{path}, {'; '.join(problems[:_SHOWN])}{more}")
        return lexicon

    def over(self, other: "Lexicon | None") -> "Lexicon":
        """Return the words of both; those that are in both as this one says them."""
        both = Lexicon()
        for lexicon in (other, self):
            for language, words in lexicon._words.items() if lexicon else ():
                both._words.setdefault(language, {}).update(words)
        return both

    def replace(self, language: str, norm_text: str, spoken: Spoken) -> Spoken:
        """Chinese: put the user's phones in the place of the words' characters."""
        if language not in BY_CHARACTER or spoken.word2ph is None:
            return spoken
        words = self._words.get(language, {})
        parts, at = [], 0
        for count in spoken.word2ph:
            parts.append(spoken.phones[at : at + count])
            at += count
        place = 0
        for part, word in self._cut(language, words, norm_text):
            if word:
                parts[place : place + len(part)] = [list(phones) for phones in words[word].phones]
            place += len(part)
        return Spoken([phone for part in parts for phone in part], [len(part) for part in parts])

    def split(self, language: str, text: str) -> list[tuple[str, tuple[str, ...] | None]]:
        """Other languages: the text cut around the words that have phones (None for the text between).

        Words that are spelled otherwise are so in what is given back.
        """
        if language in BY_CHARACTER:
            return [(text, None)]
        words = self._words.get(language, {})
        parts: list[tuple[str, tuple[str, ...] | None]] = []
        for part, word in self._cut(language, words, text):
            entry = words[word] if word else Entry(spelling=part)
            if entry.phones:
                parts.append((part, tuple(phone for syllable in entry.phones for phone in syllable)))
            elif parts and parts[-1][1] is None:
                parts[-1] = (parts[-1][0] + entry.spelling, None)
            else:
                parts.append((entry.spelling, None))
        return parts

    def torn(self, text: str) -> list[tuple[str, str]]:
        """Return the text cut around words such as GPT-4 or Tシャツ, whose language has to be known beforehand.

        Returns:
            Parts of the text, each with its language, or "" for the text between.
        """
        languages = {
            word: language
            for language, sign in _TORN.items()
            for word in self._words.get(language, ())
            if sign.search(word)
        }
        return [(part, languages[word] if word else "") for part, word in self._cut("", languages, text)]

    def _add_row(self, row: Mapping[str, str]) -> None:
        if row.get("more"):
            raise InputError("it has more fields than the header; put quotes around a word with a comma in it")
        word = row["word"].strip()
        reading = next((row[name].strip() for name in _READINGS if row.get(name, "").strip()), "")
        if not word or not reading:
            raise InputError("it needs a word and a reading")
        self._add(word, row.get("language", "").strip().lower(), reading)

    def _add(self, word: str, language: str, reading: str) -> None:
        language = language or notation.language_of(word)
        if language not in LANGUAGES:
            raise InputError(f"unknown language {language!r}; use one of {', '.join(LANGUAGES)}")
        key = _lowered(plain(notation.as_met(word, language))[0])
        words = self._words.setdefault(language, {})
        if key in words:
            raise InputError(f"{word!r} is already in the lexicon")
        words[key] = notation.entry(word, language, reading)
        self._patterns.clear()

    def _cut(self, name: str, words: Mapping[str, object], text: str) -> Iterator[tuple[str, str]]:
        """Return the parts of a text, each with the word that it is or "" for what stands between; no part is empty."""
        if name not in self._patterns:
            longest_first = sorted(words, key=len, reverse=True)
            self._patterns[name] = re.compile("|".join(map(_bounded, longest_first))) if words else None
        pattern, at = self._patterns[name], 0
        for match in pattern.finditer(_lowered(text)) if pattern else ():
            if match.start() > at:
                yield text[at : match.start()], ""
            at = match.end()
            yield text[match.start() : at], match[0]
        if at < len(text):
            yield text[at:], ""


def _lowered(text: str) -> str:
    """In small letters, in as many characters."""
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _bounded(word: str) -> str:
    """Return a pattern of the word that takes no part of a longer one for it."""
    before = f"(?<![{_LETTER}])" if re.match(f"[{_LETTER}]", word) else ""
    after = f"(?![{_LETTER}])" if re.search(f"[{_LETTER}]$", word) else ""
    return before + re.escape(word) + after
