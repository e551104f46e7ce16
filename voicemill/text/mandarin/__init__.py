"""Mandarin: numbers written out, polyphones by phrase, connected-speech tones, two phones a syllable."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemill.text import punctuation
from voicemill.text.mandarin import sandhi, syllables, words
from voicemill.text.mandarin.figures import Dialect, Figure, scan
from voicemill.text.mandarin.normalization import GREEK, sentences, simplify
from voicemill.text.mandarin.polyphones import in_context
from voicemill.text.mandarin.words import Word
from voicemill.text.spoken import Spoken
from voicemill.text.symbols import PUNCTUATION, UNKNOWN
from voicemill.text.written import Written

__all__ = [
    "DIALECT",
    "Polyphones",
    "figures",
    "normalize",
    "phonemize",
    "phonemize_by_word",
    "phonemize_v1",
    "write_out",
]

DIALECT = Dialect()

_SOUNDALIKES = str.maketrans("嗯呣", "恩母")  # syllables without a vowel, which the table cannot spell
_UNSPOKEN = re.compile(rf"[^\u4e00-\u9fa5{punctuation.MARKS}]+")
_SPOKEN = re.compile(rf"[\u4e00-\u9fa5{punctuation.MARKS}]")
_MARKS = {**punctuation.CHINESE, "$": "", "-": "", "—": "", "\n": "."}
_PHRASE = re.compile(rf"(?<=[{punctuation.MARKS}])\s*")

Polyphones = Callable[[str, list[str]], list[str]]
"""Corrects the pinyin of a phrase, one item a character."""


def figures(text: str) -> list[Figure]:
    """Return the figures of a text."""
    return scan(text, DIALECT)


def write_out(text: str, figures: Sequence[Figure]) -> Written:
    """Simplified characters and the marks of the symbol table, each with its place in the text.

    Args:
        text: Any text.
        figures: What `figures` found in it, or in a longer text around it.
    """
    written = Written.of(text, figures)
    simple = simplify(written.text).translate(_SOUNDALIKES)
    return Written(simple, written.sources, written.figures).cleaned(GREEK | _MARKS, _SPOKEN, first_of_run=True)


def normalize(text: str) -> str:
    """As the reference writes a text out: Chinese characters and the marks of the symbol table, nothing else."""
    spoken = "".join(_only_spoken(sentence) for sentence in sentences(text))
    return punctuation.first_of_run(spoken)


def _only_spoken(sentence: str) -> str:
    sentence = punctuation.replace(sentence.translate(_SOUNDALIKES), punctuation.CHINESE)
    return _UNSPOKEN.sub("", sentence)


def phonemize(
    text: str,
    by_phrase: bool = True,
    erhua: bool = True,
    polyphones: Polyphones | None = None,
    as_reference: bool = False,
) -> Spoken:
    """Return the phones of a normalised text.

    Args:
        text: What `normalize` gave.
        by_phrase: Read polyphones in the whole phrase and correct them by the phrase dictionary, as the v2 front-end
            does; otherwise word by word.
        erhua: Let 儿 take the tone of the syllable before (v1 does not).
        polyphones: Tells apart the polyphones of words that the phrase dictionary does not know, instead of g2pM.
        as_reference: Leave polyphones and tones where the reference has them wrong.
    """
    spoken = Spoken([], [])
    for phrase in _PHRASE.split(text):
        phrase = re.sub("[A-Za-z]+", "", phrase)
        if phrase.strip():
            _phrase(phrase, _readings(phrase, by_phrase, polyphones, as_reference), erhua, as_reference, spoken)
    return spoken


def phonemize_by_word(text: str) -> Spoken:
    """Return the phones of a normalised text, polyphones read word by word, as the reference does."""
    return phonemize(text, by_phrase=False, as_reference=True)


def phonemize_v1(text: str) -> Spoken:
    """Return the phones of a normalised text as the v1 models learned them."""
    return phonemize(text, by_phrase=False, erhua=False, as_reference=True)


@dataclass(frozen=True)
class _Phrase:
    """The words of a phrase and what is known of its readings.

    Attributes:
        words: In order.
        pinyin: One item a character; none where words are read one by one.
        decided: The readings, by place, that go before the phrase dictionary.
    """

    words: list[Word]
    pinyin: list[str]
    decided: dict[int, str]


def _readings(phrase: str, by_phrase: bool, polyphones: Polyphones | None, as_reference: bool) -> _Phrase:
    segmented = words.segment(phrase)
    pinyin = words.pinyin(phrase) if by_phrase else []
    decided: dict[int, str] = {}
    if polyphones and pinyin:
        pinyin = polyphones(phrase, pinyin)
    elif pinyin and not as_reference:
        pinyin, decided = in_context(phrase, segmented, pinyin)
    return _Phrase(segmented, pinyin, decided)


def _phrase(phrase: str, read: _Phrase, erhua: bool, as_reference: bool, spoken: Spoken) -> None:
    at = 0
    for word in sandhi.join_words(read.words):
        end = at + len(word.text)
        pairs = _corrected(word.text, read, at) if read.pinyin else words.syllables(word.text)
        finals = [final for _, final in pairs]
        before = "" if as_reference else phrase[:at][-1:]
        finals = sandhi.change_tones(word, finals, before, as_reference=as_reference)
        _word(word, [initial for initial, _ in pairs], finals, erhua, spoken)
        at = end


def _corrected(word: str, read: _Phrase, at: int) -> list[tuple[str, str]]:
    """Initials and finals of a word: as a rule decided, by the phrase dictionary, else as the sentence has it."""
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

    readings = words.phrase(word) or [
        words.correction(character) or reading
        for character, reading in zip(word, read.pinyin[at : at + len(word)], strict=True)
    ]
    readings = [read.decided.get(at + offset, reading) for offset, reading in enumerate(readings)]
    return [
        (to_initials(reading), to_finals_tone3(reading, neutral_tone_with_five=True))
        if reading[0].isalpha()
        else (reading, reading)
        for reading in readings
    ]


def _word(word: Word, initials: list[str], finals: list[str], erhua: bool, spoken: Spoken) -> None:
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
