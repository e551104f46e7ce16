"""Cantonese: written out as Mandarin is, read by ToJyutping, an onset and a toned rime a syllable."""

import functools
import re
from collections.abc import Callable

from voicemill.text import punctuation
from voicemill.text.mandarin import mending
from voicemill.text.mandarin.normalization import sentences
from voicemill.text.mandarin.numbers import decimal
from voicemill.text.spoken import Spoken
from voicemill.text.symbols import PUNCTUATION, UNKNOWN

__all__ = ["mend", "normalize", "phonemize"]

_UNSPOKEN = re.compile(rf"[^\u4e00-\u9fa5{punctuation.MARKS}]+")
# The weights split a syllable after the first of these; one without consonant gives its vowel, or vowel and coda.
_SYLLABLE = re.compile(r"(aa|a[iuptk]?|kw|gw|ng|ts|dz|ong|o[nuik]?|ung|uk|[bpmfdtnlgkhszcjwye])([a-z]*)([1-6])")


def mend(text: str) -> str:
    """As Mandarin is mended, but the dollar is Hong Kong's, and money is counted in 蚊 too."""
    text = re.sub(r"\$\s?(\d[\d,]*(?:\.\d+)?)", r"\1元", text)
    return mending.mend(re.sub(r"(\d+(?:\.\d+)?)(?=[蚊毫])", lambda match: decimal(match[1]), text))


def normalize(text: str) -> str:
    """Simplified Chinese characters and the marks of the symbol table, nothing else."""
    written = (punctuation.replace(sentence, punctuation.CANTONESE) for sentence in sentences(text))
    return "".join(_UNSPOKEN.sub("", sentence) for sentence in written)


@functools.cache
def _jyutping() -> Callable[[str], list[tuple[str, str | None]]]:
    import ToJyutping

    return ToJyutping.get_jyutping_list


def phonemize(text: str) -> Spoken:
    """Phones of a normalised text."""
    spoken = Spoken([], [])
    for character, jyutping in _jyutping()(text):
        phones = [phone for reading in (jyutping or "").split() for phone in syllable(reading)]
        if character in PUNCTUATION:
            phones = [character]
        elif not phones:
            phones = [UNKNOWN]
        spoken.phones += phones
        if spoken.word2ph is not None:
            spoken.word2ph.append(len(phones))
    return spoken


def syllable(jyutping: str) -> list[str]:
    """The two phones of a syllable in Jyutping, none for what is not one."""
    match = _SYLLABLE.fullmatch(jyutping)
    if match is None:
        return []
    onset, rime, tone = match.groups()
    return [f"Y{onset}", f"Y{rime or onset[-1]}{tone}"]
