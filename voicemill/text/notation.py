"""Readings as a user writes them, to phones or to a spelling that is read right."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from voicemill.core.errors import InputError
from voicemill.text import symbols

LANGUAGES = ("zh", "yue", "en", "ja", "ko")
BY_CHARACTER = frozenset(["zh", "yue"])
_HAN = re.compile("[\u4e00-\u9fa5]+")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_HANGUL = re.compile("[\uac00-\ud7a3 ]+")
_SCRIPTS = {
    "ja": re.compile("[\u3041-\u30ff]"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "en": re.compile("[A-Za-z]"),
}


@dataclass(frozen=True)
class Entry:
    """How a word is said: by phones (in Chinese one list a character), or as if it were spelled otherwise."""

    phones: tuple[tuple[str, ...], ...] = ()
    spelling: str = ""


def language_of(word: str) -> str:
    """Return the language of a word, by its script.

    Raises:
        InputError: It has none.
    """
    for language, script in _SCRIPTS.items():
        if script.search(word):
            return language
    raise InputError(f"the language of {word!r} cannot be detected: fill in the column language")


def as_met(word: str, language: str) -> str:
    """Return the word as texts have it where it is looked for: in Chinese made simplified.

    Raises:
        InputError: A Chinese word that is not all Chinese characters.
    """
    if language not in BY_CHARACTER:
        return word
    from voicemill.text import mandarin
    from voicemill.text.mandarin.normalization import simplify

    simple = mandarin.normalize(word) if language == "zh" else simplify(word)
    if not _HAN.fullmatch(simple) or len(simple) != len(word):
        raise InputError(f"{word!r} has characters that are not Chinese; put them on a line of their own")
    return simple


def entry(word: str, language: str, reading: str) -> Entry:
    """Return how a word is said.

    Args:
        word: The word, of N characters.
        language: One of `LANGUAGES`.
        reading: As the module `lexicon` says.

    Raises:
        InputError: It is not a reading of the language, or not of N syllables in Chinese.
    """
    parts = reading.split()
    # A syllable such as e4 is a phone as well: in Chinese the number tells, for a character has two phones.
    are_phones = all(symbols.knows(part, "v2") for part in parts)
    if are_phones and language in BY_CHARACTER and len(parts) == 2 * len(word):
        return Entry(tuple(tuple(parts[at : at + 2]) for at in range(0, len(parts), 2)))
    if are_phones and language not in BY_CHARACTER:
        return Entry((tuple(parts),))
    found = _READERS[language](parts) if language in _READERS else None
    if not found:
        raise InputError(f"{reading!r} is not a reading of {word!r} in {language}: see docs/reference/text.md")
    if language in BY_CHARACTER and len(found.phones) != len(word):
        raise InputError(
            f"{word!r} has {len(word)} characters and its reading {reading!r} {len(found.phones)} syllables"
        )
    return found


def _pinyin(parts: list[str]) -> Entry | None:
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials, to_tone3

    from voicemill.text.mandarin import syllables

    found = []
    for part in parts:
        part = part.lower()
        if part[-1] not in "12345" and not to_tone3(part)[-1].isdigit():
            raise InputError(f"{part!r} has no tone; 5 is the neutral tone")
        final = to_finals_tone3(part, neutral_tone_with_five=True)
        phones = syllables.phones(to_initials(part), final[:-1], final[-1:])
        if phones is None:
            return None
        found.append(tuple(phones))
    return Entry(tuple(found))


def _jyutping(parts: list[str]) -> Entry | None:
    from voicemill.text import cantonese

    found = tuple(tuple(cantonese.syllable(part.lower())) for part in parts)
    known = all(phones and all(symbols.knows(phone, "v2") for phone in phones) for phones in found)
    return Entry(found) if known else None


def _kana(parts: list[str]) -> Entry | None:
    from voicemill.text import japanese

    kana = "".join(parts)
    return Entry(spelling=japanese.pronunciation(kana)) if _KANA.fullmatch(kana) else None


def _hangul(parts: list[str]) -> Entry | None:
    spelling = " ".join(parts)
    return Entry(spelling=spelling) if _HANGUL.fullmatch(spelling) else None


_READERS: dict[str, Callable[[list[str]], Entry | None]] = {
    "zh": _pinyin,
    "yue": _jyutping,
    "ja": _kana,
    "ko": _hangul,
}
