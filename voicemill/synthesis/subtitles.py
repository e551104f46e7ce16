"""Subtitles from words with times: cues of whole sentences where they fit, as SRT, WebVTT and JSON.

A cue never mixes the end of one sentence with the begin of the next unless both fit whole; a long sentence is broken
at its marks, then between words, never inside one. Chinese, Japanese and Korean may be broken between characters, but
no line begins with a closing mark. Lengths follow what broadcasters ask for (BBC, Netflix: two lines of 42 characters,
16 where characters are wide, 1 to 7 seconds).
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LINE_CHARACTERS = 42
"""Of a line, in columns: a wide character takes `WIDE` of them, so that sixteen fit."""
WIDE = 2.6
LINES = 2
LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0
_GAP_SECONDS = 0.04

_TITLES = frozenset(
    ["dr", "mr", "mrs", "ms", "st", "prof", "rev", "hon", "gen", "col", "lt", "sgt", "capt", "mt", "vs", "e.g", "i.e"]
)
"""After these a dot never ends a sentence; after other abbreviations (etc., a.m., Inc.) the next word decides."""
_BEFORE_FIGURES = frozenset(
    [
        *("no", "p", "pp", "vol", "fig", "ch"),
        *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
    ]
)
_END = re.compile(r"[.!?…。！？][\"'”’)\]）】」』》]*$")
_CLAUSE = re.compile(r"[,;:，；：、—–-][\"'”’)\]）】」』》]*$")
_QUOTES = "\"'”’)]）】」』》“‘([（【「『《"


@dataclass(frozen=True)
class Word:
    """A word as it is written, with its marks, and when it is said.

    Attributes:
        text: The word, or a character of Chinese or Japanese.
        start: In seconds.
        end: In seconds.
        spaced: Whether a space stands before it.
    """

    text: str
    start: float
    end: float
    spaced: bool = True


@dataclass(frozen=True)
class Cue:
    """What is shown at a time: words that belong together."""

    words: tuple[Word, ...]
    start: float
    end: float

    @property
    def text(self) -> str:
        """Lines of at most `LINE_CHARACTERS` columns, as even as can be."""
        return "\n".join(_lines(self.words))


def is_wide(character: str) -> bool:
    """Return whether a character takes the room of two: Chinese, Japanese, Korean."""
    return unicodedata.east_asian_width(character) in "WF"


def columns(text: str) -> float:
    """Return how much room a text takes."""
    return sum(WIDE if is_wide(sign) else 1.0 for sign in text)


def joined(words: Sequence[Word]) -> str:
    """Return words as they are written one after the other."""
    return "".join(" " * (word.spaced and at > 0) + word.text for at, word in enumerate(words))


def ends_sentence(word: str, after: str = "") -> bool:
    """Return whether a sentence ends at a word.

    Args:
        word: The word with its marks.
        after: The next word; empty at the end of the text.
    """
    if not _END.search(word):
        return False
    bare = word.rstrip(_QUOTES)
    if not bare.endswith("."):
        # "Really?" she said: the sentence goes on.
        return not (after[:1].islower() and bare[-1:] in "!?…")
    core = bare.rstrip(".").lstrip(_QUOTES)
    is_initial = len(core) == 1 and core.isalpha() and core.isupper() and core != "I"
    if after and (core.lower() in _TITLES or is_initial):
        return False
    if after[:1].isdecimal() and core.lower() in _BEFORE_FIGURES:
        return False
    return not after[:1].islower()


def sentences(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the sentences of a text, each as its words."""
    sentence: list[Word] = []
    for at, word in enumerate(words):
        sentence.append(word)
        after = words[at + 1].text.lstrip(_QUOTES) if at + 1 < len(words) else ""
        if ends_sentence(word.text, after):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def cues(lines: Iterable[Sequence[Word]]) -> list[Cue]:
    """Return what is shown of some lines, in their order; no cue has words of two lines.

    A cue stays until the next one begins where that is within a second, at least a second where there is room, and at
    most seven.
    """
    groups = [group for words in lines for sentence in sentences(words) for group in _fitting(sentence)]
    found: list[Cue] = []
    for at, group in enumerate(groups):
        start, end = group[0].start, max(group[-1].end, group[0].start)
        following = groups[at + 1][0].start if at + 1 < len(groups) else end + SHORTEST_SECONDS
        longest = max(end, min(following - _GAP_SECONDS, start + LONGEST_SECONDS))
        end = min(max(end, start + SHORTEST_SECONDS), longest)
        found.append(Cue(tuple(group), start, max(end, start + 0.001)))
    return found


def _fits(words: Sequence[Word]) -> bool:
    return words[-1].end - words[0].start <= LONGEST_SECONDS and len(_lines(words)) <= LINES


def _fitting(sentence: Sequence[Word]) -> list[list[Word]]:
    """Halve a sentence where it breaks best until each part fits."""
    if len(sentence) == 1 or _fits(sentence):
        return [list(sentence)]
    total = columns(joined(sentence))

    def cost(at: int) -> float:
        balance = abs(columns(joined(sentence[:at])) / total - 0.5)
        return balance - (0.35 if _CLAUSE.search(sentence[at - 1].text) else 0.0)

    breaks = [at for at in range(1, len(sentence)) if _may_break(sentence[at - 1], sentence[at])]
    if not breaks:
        return [list(sentence)]
    at = min(breaks, key=cost)
    return _fitting(sentence[:at]) + _fitting(sentence[at:])


def _may_break(before: Word, after: Word) -> bool:
    """Whether a line may end between two words: at a space, or between wide characters."""
    return after.spaced or is_wide(before.text[-1:]) or is_wide(after.text[:1])


def _lines(words: Sequence[Word]) -> list[str]:
    """Lines of words, broken at spaces or between wide characters; the first two are as even as can be."""
    rows: list[list[Word]] = [[words[0]]]
    for word in words[1:]:
        row = rows[-1]
        if columns(joined([*row, word])) > LINE_CHARACTERS and _may_break(row[-1], word):
            rows.append([word])
        else:
            row.append(word)
    if len(rows) == LINES:
        both = [*rows[0], *rows[1]]
        ways = [at for at in range(1, len(both)) if _may_break(both[at - 1], both[at])]

        def widest(at: int) -> float:
            return max(columns(joined(both[:at])), columns(joined(both[at:])))

        at = min(ways, key=widest)
        rows = [both[:at], both[at:]]
    return [joined(row) for row in rows]


def _clock(seconds: float, separator: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{separator}{rest % 1000:03d}"


def srt(shown: Sequence[Cue]) -> str:
    """Return cues as SubRip."""
    blocks = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(shown, start=1)
    ]
    return "\n".join(blocks)


def vtt(shown: Sequence[Cue]) -> str:
    """Return cues as WebVTT (W3C); &, < and > are escaped."""
    blocks = [
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(cue.text, quote=False)}\n" for cue in shown
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def as_json(shown: Sequence[Cue]) -> str:
    """Return cues and the times of their words as JSON."""
    rows = [
        {
            "text": joined(cue.words),
            "start": round(cue.start, 3),
            "end": round(cue.end, 3),
            "words": [{key: value for key, value in asdict(word).items() if key != "spaced"} for word in cue.words],
        }
        for cue in shown
    ]
    return json.dumps({"cues": rows}, ensure_ascii=False, indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Cue]], str]] = {".srt": srt, ".vtt": vtt, ".json": as_json}
"""Writers by the ending of the file."""


def write_all(path: Path, lines: Iterable[Sequence[Word]], endings: Iterable[str] = FORMATS) -> None:
    """Write the subtitles of some lines beside an audio file, under its name with other endings."""
    shown = cues(lines)
    for ending in endings:
        path.with_suffix(ending).write_text(FORMATS[ending](shown), encoding="utf-8")


def words_of(text: str, rows: Sequence[Mapping[str, Any]]) -> list[Word]:
    """Return the words of a line from its row of the manifest (`words`: `text`, `start`, `end`)."""
    at = 0
    found: list[Word] = []
    for row in rows:
        place = text.find(row["text"], at)
        spaced = place > 0 and text[place - 1].isspace()
        at = place + len(row["text"]) if place >= 0 else at
        found.append(Word(row["text"], row["start"], row["end"], spaced))
    return found
