"""Japanese: pyopenjtalk's reading, with marks where the pitch rises `[`, falls `]` and an accent phrase ends.

The marks follow Kurihara et al. 2021 (doi 10.1587/transinf.2020EDP7104) as ESPnet finds them in full-context labels.
The symbol table has no sign for the end of an accent phrase: the public weights learned it as the unknown phone.
"""

import functools
import itertools
import re
from typing import Any, NamedTuple

from voicemill.text import punctuation
from voicemill.text.japanese_preprocessing import preprocess
from voicemill.text.spoken import Spoken
from voicemill.text.symbols import PAD

__all__ = ["is_readable", "normalize", "phonemize", "preprocess", "pronunciation"]

_READABLE = r"A-Za-z\d々\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d"
_PARTS = re.compile(rf"([{_READABLE}]+)|([^{_READABLE}])")
_LABEL = re.compile(r"-(?P<phone>[^+]*)\+.*/A:(?P<distance>-?\d+|xx)\+(?P<mora>\d+|xx)\+(?P<left>\d+|xx)/")
_MORAS_OF_PHRASE = re.compile(r"/F:(\d+)_")
_PHRASE_BORDER, _RISE, _FALL = "#", "[", "]"


class _Label(NamedTuple):
    """One phone of a full-context label.

    `mora` is its mora's place in the accent phrase from the front, `left` from the back, `distance` that from the mora
    after which the pitch falls, `moras` the length of the phrase; None beside pauses.
    """

    phone: str
    distance: int | None
    mora: int | None
    left: int | None
    moras: int | None


def normalize(text: str) -> str:
    """Return the text with runs of marks shortened; numbers are read in `phonemize`, where their counters are known."""
    return punctuation.first_of_run(text)


def phonemize(text: str) -> Spoken:
    """Return the phones of a normalised text; marks that the table lacks stand as they are."""
    phones: list[str] = []
    for readable, mark in _PARTS.findall(text.replace("％", "パーセント").lower()):
        if readable:
            phones += _prosody(readable)
        elif mark != " ":
            phones.append(punctuation.replace(mark, punctuation.JAPANESE_AND_KOREAN))
    return Spoken(phones)


def pronunciation(kana: str) -> str:
    """Kana as they sound, in katakana, which stand out from the particles around them: とうきょう -> トーキョー."""
    return _openjtalk().g2p(kana, kana=True)


def words(text: str) -> list[str]:
    """Return the words of a text as pyopenjtalk divides it, and each mark between them; together they are the text."""
    found: list[str] = []
    for readable, mark in _PARTS.findall(text):
        if not readable:
            found.append(mark)
            continue
        for part in re.split(r"(\d+)", readable):
            if part.isdecimal():
                found.append(part)
                continue
            lengths = [len(node["string"]) for node in _openjtalk().run_frontend(part)] if part else []
            # What is rewritten has other lengths: it stays whole.
            ends = list(itertools.accumulate(lengths)) if sum(lengths) == len(part) else [len(part)]
            found += [part[start:end] for start, end in itertools.pairwise([0, *ends]) if start < end]
    return found


def is_readable(character: str) -> bool:
    """Return whether a character is read rather than taken for a mark."""
    return bool(re.fullmatch(f"[{_READABLE}]", character))


@functools.cache
def _openjtalk() -> Any:
    import pyopenjtalk

    return pyopenjtalk


def _prosody(text: str) -> list[str]:
    jtalk = _openjtalk()
    labels = [_parse(label) for label in jtalk.make_label(jtalk.run_frontend(text))]
    phones: list[str] = []
    for label, after in itertools.pairwise(labels):
        if label.phone == "sil":
            continue
        if label.phone == "pau":
            phones.append(PAD)
            continue
        # A devoiced vowel is written as the voiced one.
        phones.append(label.phone.lower() if label.phone in "AEIOU" else label.phone)
        phones += _pitch(label, after)
    return phones


def _parse(label: str) -> _Label:
    match = _LABEL.search(label)
    moras = _MORAS_OF_PHRASE.search(label)
    if match is None:
        raise ValueError(f"not a full-context label: {label!r}")
    distance, mora, left = (None if match[name] == "xx" else int(match[name]) for name in ("distance", "mora", "left"))
    return _Label(match["phone"], distance, mora, left, int(moras[1]) if moras else None)


def _pitch(label: _Label, after: _Label) -> list[str]:
    ends_mora = label.phone in "aeiouAEIOUN" or label.phone == "cl"
    if label.left == 1 and after.mora == 1 and ends_mora:
        return [_PHRASE_BORDER]
    if label.mora is None or after.mora != label.mora + 1:
        return []
    if label.distance == 0 and label.mora != label.moras:
        return [_FALL]
    return [_RISE] if label.mora == 1 else []
