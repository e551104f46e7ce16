"""Which phones belong to which word of a text: words between spaces, in Chinese and Japanese characters.

Phones of a whole text are not those of its words one after the other: words change in company, figures are written
out, pauses are added. So each word is also pronounced alone, and what both say is put side by side (Levenshtein).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from voicemill.text import symbols
from voicemill.text.frontend import BY_DICTIONARIES, Reading, phonemize_segment
from voicemill.text.spoken import Segment

_SILENT = frozenset([*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停"])
_WORDS = re.compile(r"\S+")
_LATIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.,:%/'’-]*[A-Za-z0-9%])?")
_QUOTES = frozenset("\"'")


@dataclass(frozen=True)
class Unit:
    """A word, or a character of Chinese or Japanese.

    Attributes:
        text: As it is written, perhaps with marks.
        first: Its first phone.
        last: The one after its last phone.
    """

    text: str
    first: int
    last: int


def units(segments: Sequence[Segment], version: str, reading: Reading = BY_DICTIONARIES) -> list[Unit]:
    """Return the words of a text with their phones, in their order.

    Args:
        segments: What `phonemize` made of the text.
        version: Model version.
        reading: The user's own pronunciations, and who reads polyphones.

    Returns:
        What has a sound. Phones are counted through all segments; pauses belong to no word.
    """
    found: list[Unit] = []
    start = 0
    for segment in segments:
        parts = _by_words(segment, version, reading) if segment.word2ph is None else _by_word2ph(segment)
        for text, phones in parts:
            own = [at for at in phones if segment.phones[at] not in _SILENT]
            if own:
                found.append(Unit(text, start + own[0], start + own[-1] + 1))
        start += len(segment.phones)
    return found


def spans(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where words stand in a text, with the marks at them and without spaces around them.

    Args:
        text: As its author wrote it.
        words: Of `units`, in their order; one that is not found there gets no place (0, 0).
    """
    cores: list[tuple[int, int]] = []
    at = 0
    for word in words:
        core = word.strip("".join(sign for sign in word if not _is_letter(sign)))
        found = text.find(core, at) if core else -1
        cores.append((found, found + len(core)) if found >= 0 else (0, 0))
        at = max(at, cores[-1][1])
    places = [index for index, (_, end) in enumerate(cores) if end]
    result = list(cores)
    for before, after in zip([None, *places], [*places, None], strict=True):
        left = cores[before][1] if before is not None else 0
        right = cores[after][0] if after is not None else len(text)
        border = left + _closing(text[left:right]) if before is not None and after is not None else left
        if before is None:
            border = left
        elif after is None:
            border = right
        if before is not None:
            start = result[before][0]
            result[before] = (start, start + len(text[start:border].rstrip()))
        if after is not None:
            end = result[after][1]
            result[after] = (end - len(text[border:end].lstrip()), end)
    return result


def _closing(between: str) -> int:
    """Return how much of what stands between two words belongs to the one before."""
    for at, sign in enumerate(between):
        follows_space = at > 0 and between[at - 1].isspace()
        if unicodedata.category(sign) in ("Ps", "Pi") or (follows_space and sign in _QUOTES):
            return at
    return len(between)


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNSM"


def _by_word2ph(segment: Segment) -> list[tuple[str, list[int]]]:
    """Chinese: each character of what is said knows its phones; where figures were written out, the figure has all."""
    ends, at = [], 0
    for count in segment.word2ph or []:
        ends.append((at, at + count))
        at += count
    pieces = _pieces(segment.text)
    return _shared(pieces, segment.norm_text, lambda index: list(range(*ends[index])) if index < len(ends) else [])


def _pieces(text: str) -> list[str]:
    pieces, at = [], 0
    while at < len(text):
        match = _LATIN.match(text, at)
        end = match.end() if match else at + 1
        pieces.append(text[at:end])
        at = end
    return pieces


def _shared(pieces: list[str], said: str, phones_of: Callable[[int], list[int]]) -> list[tuple[str, list[int]]]:
    """Give each piece of a text the phones of those characters of what is said that stand for it."""
    owner = [index for index, piece in enumerate(pieces) for _ in piece]
    of_piece: list[list[int]] = [[] for _ in pieces]
    for index, where in enumerate(_owners(list("".join(pieces)), list(said), owner)):
        of_piece[where] += phones_of(index)
    return list(zip(pieces, of_piece, strict=True))


def _by_words(segment: Segment, version: str, reading: Reading) -> list[tuple[str, list[int]]]:
    if segment.language == "ja":
        from voicemill.text import japanese

        words = japanese.words(segment.text)
    else:
        words = _WORDS.findall(segment.text)
    if not words:
        return []
    alone: list[str] = []
    owner: list[int] = []
    for index, word in enumerate(words):
        spoken = phonemize_segment(word, segment.language, version, reading=reading)
        phones = [phone for phone in spoken.phones if phone not in _SILENT]
        alone += phones
        owner += [index] * len(phones)
    heard = [at for at, phone in enumerate(segment.phones) if phone not in _SILENT]
    of_word: list[list[int]] = [[] for _ in words]
    if owner:
        for at, where in zip(heard, _owners(alone, [segment.phones[at] for at in heard], owner), strict=True):
            of_word[where].append(at)
    if segment.language != "ja":
        return list(zip(words, of_word, strict=True))
    return [part for word, phones in zip(words, of_word, strict=True) for part in _spread(word, phones)]


def _spread(word: str, phones: list[int]) -> list[tuple[str, list[int]]]:
    """Share the phones of a word evenly among its characters."""
    count = len(word)
    return [(sign, phones[len(phones) * at // count : len(phones) * (at + 1) // count]) for at, sign in enumerate(word)]


def _owners(written: list[str], said: list[str], owner: list[int]) -> list[int]:
    """Return to which owner each item of what is said belongs, never falling.

    Args:
        written: Items that have owners.
        said: The items asked for.
        owner: Of each of `written`, not empty.
    """
    from rapidfuzz.distance import Levenshtein

    found: list[int] = []
    for src_start, src_end, size in _blocks(Levenshtein.opcodes(written, said)):
        length = src_end - src_start
        for at in range(size):
            # What stands for several belongs to them in equal shares; what was added, to the one before it.
            place = src_start + (at * length // size if length else -1)
            found.append(owner[min(max(place, 0), len(owner) - 1)])
    return found


def _blocks(changes: Iterable[Any]) -> Iterator[tuple[int, int, int]]:
    """Return start and end of what was written and the length of what is said for it, neighbouring changes as one."""
    block: tuple[int, int, int] | None = None
    for change in changes:
        size = change.dest_end - change.dest_start
        if change.tag == "equal":
            if block:
                yield block
            block = None
            yield change.src_start, change.src_end, size
        else:
            start = block[0] if block else change.src_start
            block = (start, change.src_end, (block[2] if block else 0) + size)
    if block:
        yield block
