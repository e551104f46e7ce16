"""Words of one spelling and several sounds, distinguished by the words around them.

`homographs.csv` has a row for each context: the word, a regular expression for the words before it and one for those
behind, its phones, an example. The first row whose expressions both match decides; where none does, the
part of speech does (`dictionary`).
"""

import csv
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

_NEAR = 8


@dataclass(frozen=True)
class Context:
    """One row: how a word sounds among such words."""

    before: re.Pattern[str]
    after: re.Pattern[str]
    phones: tuple[str, ...]
    example: str


@functools.cache
def contexts() -> Mapping[str, Sequence[Context]]:
    """Return the rows of each word."""
    found: dict[str, list[Context]] = {}
    text = resources.files("voicemill.text.english").joinpath("homographs.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.split("\n"), strict=True):
        context = Context(
            re.compile(row["before"]), re.compile(row["after"]), tuple(row["phones"].split()), row["example"]
        )
        found.setdefault(row["word"], []).append(context)
    return found


def phones(words: Sequence[str], at: int) -> tuple[str, ...] | None:
    """Phones of the word in that place among the words and marks of a text; None where its context says nothing."""
    rows = contexts().get(words[at].lower())
    if not rows:
        return None
    before = " ".join(words[max(0, at - _NEAR) : at]).lower()
    after = " ".join(words[at + 1 : at + 1 + _NEAR]).lower()
    for row in rows:
        if row.before.search(before) and row.after.match(after):
            return row.phones
    return None
