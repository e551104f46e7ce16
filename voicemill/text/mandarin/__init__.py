"""Mandarin: numbers written out, polyphones by phrase, connected-speech tones, two phones a syllable."""

import re
from collections.abc import Callable

from voicemill.text import punctuation
from voicemill.text.mandarin import sandhi, syllables, words
from voicemill.text.mandarin.mending import mend
from voicemill.text.mandarin.normalization import sentences
from voicemill.text.mandarin.words import Word
from voicemill.text.spoken import Spoken
from voicemill.text.symbols import PUNCTUATION, UNKNOWN

__all__ = ["Polyphones", "mend", "normalize", "phonemize", "phonemize_by_word", "phonemize_v1"]

_SOUNDALIKES = str.maketrans("嗯呣", "恩母")  # syllables without a vowel, which the table cannot spell
_UNSPOKEN = re.compile(rf"[^\u4e00-\u9fa5{punctuation.MARKS}]+")
_PHRASE = re.compile(rf"(?<=[{punctuation.MARKS}])\s*")

Polyphones = Callable[[str, list[str]], list[str]]
"""Corrects the pinyin of a phrase, one item a character."""


def normalize(text: str) -> str:
    """Chinese characters and the marks of the symbol table, nothing else."""
    spoken = "".join(_only_spoken(sentence) for sentence in sentences(text))
    return punctuation.first_of_run(spoken)


def _only_spoken(sentence: str) -> str:
    sentence = punctuation.replace(sentence.translate(_SOUNDALIKES), punctuation.CHINESE)
    return _UNSPOKEN.sub("", sentence)


def phonemize(text: str, by_phrase: bool = True, erhua: bool = True, polyphones: Polyphones | None = None) -> Spoken:
    """Phones of a normalised text.

    Args:
        text: What `normalize` gave.
        by_phrase: Read polyphones in the whole phrase and correct them by the phrase dictionary, as the v2 front-end
            does; otherwise word by word.
        erhua: Let 儿 take the tone of the syllable before (v1 does not).
        polyphones: Tells apart the polyphones of words that the phrase dictionary does not know.
    """
    spoken = Spoken([], [])
    for phrase in _PHRASE.split(text):
        phrase = re.sub("[A-Za-z]+", "", phrase)
        if phrase.strip():
            _phrase(phrase, by_phrase, erhua, polyphones, spoken)
    return spoken


def phonemize_by_word(text: str) -> Spoken:
    """Phones of a normalised text, polyphones read word by word."""
    return phonemize(text, by_phrase=False)


def phonemize_v1(text: str) -> Spoken:
    """Phones of a normalised text as the v1 models learned them."""
    return phonemize(text, by_phrase=False, erhua=False)


def _phrase(phrase: str, by_phrase: bool, erhua: bool, polyphones: Polyphones | None, spoken: Spoken) -> None:
    readings = words.pinyin(phrase) if by_phrase else []
    if polyphones and readings:
        readings = polyphones(phrase, readings)
    at = 0
    for word in sandhi.join_words(words.segment(phrase)):
        pairs = _corrected(word.text, readings[at : at + len(word.text)]) if by_phrase else words.syllables(word.text)
        at += len(word.text)
        _word(word, [initial for initial, _ in pairs], [final for _, final in pairs], erhua, spoken)


def _corrected(word: str, readings: list[str]) -> list[tuple[str, str]]:
    """Initials and finals of a word: the phrase dictionary's reading, else the sentence's."""
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

    readings = words.phrase(word) or [
        words.correction(character) or reading for character, reading in zip(word, readings, strict=True)
    ]
    return [
        (to_initials(reading), to_finals_tone3(reading, neutral_tone_with_five=True))
        if reading[0].isalpha()
        else (reading, reading)
        for reading in readings
    ]


def _word(word: Word, initials: list[str], finals: list[str], erhua: bool, spoken: Spoken) -> None:
    finals = sandhi.change_tones(word, finals)
    if erhua:
        finals = sandhi.join_er(word, finals)
    for character, initial, final in zip(word.text, initials, finals, strict=True):
        if character in PUNCTUATION:
            phones = [character]
        else:
            phones = syllables.phones(initial, final[:-1], final[-1:]) or [UNKNOWN]
        spoken.phones += phones
        if spoken.word2ph is not None:
            spoken.word2ph.append(len(phones))
