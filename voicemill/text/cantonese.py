"""Cantonese: figures as in Mandarin, traditional characters read by ToJyutping, two phones a syllable."""

import csv
import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from voicemill.text import inventories, punctuation
from voicemill.text.mandarin.figures import Dialect, Figure, scan
from voicemill.text.mandarin.normalization import GREEK, sentences, simplify
from voicemill.text.spoken import Spoken
from voicemill.text.symbols import PUNCTUATION, UNKNOWN
from voicemill.text.written import Written

__all__ = ["DIALECT", "figures", "normalize", "phonemize", "write_out"]

DIALECT = Dialect(one="一", dollar="元")
_SPOKEN = re.compile(rf"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134a{punctuation.MARKS}]")
_MARKS = {**punctuation.CANTONESE, "$": "", "-": "", "—": "", "'": ""}
_UNSPOKEN = re.compile(rf"[^\u4e00-\u9fa5{punctuation.MARKS}]+")
# The weights split a syllable after the first of these; one without consonant gives its vowel, or vowel and coda.
_SYLLABLE = re.compile(r"(aa|a[iuptk]?|kw|gw|ng|ts|dz|ong|o[nuik]?|ung|uk|[bpmfdtnlgkhszcjwye])([a-z]*)([1-6])")


def figures(text: str) -> list[Figure]:
    """Return the figures of a text."""
    return scan(text, DIALECT)


def write_out(text: str, figures: Sequence[Figure]) -> Written:
    """Traditional characters and the marks of the symbol table, each with its place in the text.

    ToJyutping's dictionary is one of traditional words: of simplified ones it reads 3 % of the syllables wrongly.

    Args:
        text: Any text.
        figures: What `figures` found in it, or in a longer text around it.
    """
    written = Written.of(text, [replace(figure, spoken=traditional(figure.spoken)) for figure in figures])
    if simplify(text) == text and not inventories.is_in(text, ("big5hkscs",)):
        written.text = traditional(written.text)
    return written.cleaned(GREEK | _MARKS, _SPOKEN, first_of_run=False)


def normalize(text: str) -> str:
    """As the reference writes a text out: simplified characters and the marks of the symbol table, nothing else."""
    written = (punctuation.replace(sentence, punctuation.CANTONESE) for sentence in sentences(text))
    return "".join(_UNSPOKEN.sub("", sentence) for sentence in written)


@functools.cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("s2hk")


def traditional(text: str) -> str:
    """Simplified characters made Hong Kong's, in as many characters."""
    converted = _converter().convert(text)
    return converted if len(converted) == len(text) else text


def readings() -> dict[str, str]:
    """Return the words that are said otherwise in speech than ToJyutping has them, and their Jyutping."""
    text = resources.files("voicemill.text").joinpath("cantonese_readings.csv").read_text(encoding="utf-8")
    return {row["word"]: row["reading"] for row in csv.DictReader(text.splitlines())}


@functools.cache
def _jyutping(as_reference: bool) -> Callable[[str], list[tuple[str, str | None]]]:
    import ToJyutping

    return (ToJyutping if as_reference else ToJyutping.customize({**readings()})).get_jyutping_list


def phonemize(text: str, *, as_reference: bool = False) -> Spoken:
    """Return the phones of a normalised text.

    Args:
        text: What `write_out` or `normalize` gave.
        as_reference: Read every word as ToJyutping's dictionary has it.
    """
    spoken = Spoken([], [])
    for character, jyutping in _jyutping(as_reference)(text):
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
    """Return the two phones of a syllable in Jyutping, none for what is not one."""
    match = _SYLLABLE.fullmatch(jyutping)
    if match is None:
        return []
    onset, rime, tone = match.groups()
    return [f"Y{onset}", f"Y{rime or onset[-1]}{tone}"]
