"""Text from outside, made safe to show: no control characters for a terminal to obey, no megabytes."""

from __future__ import annotations

import os
import re
import unicodedata

LONGEST_NAME = 120
"""Characters of a name or value inside a sentence."""
LONGEST_LINE = 1_000
LONGEST_MESSAGE = 20_000

# C0 and C1 controls, line and paragraph separators, marks that reorder the text around them, halves of surrogate pairs.
_DANGEROUS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = "\n\t"


def display(value: object, limit: int = LONGEST_NAME) -> str:
    """A value from outside as a piece of one line: control characters are written as escapes, what is long is cut.

    Args:
        value: A name, a path, or anything that has a text.
        limit: Most characters; the last one is then "…".
    """
    text = path_text(value) if isinstance(value, os.PathLike) else str(value)
    # Escapes make it longer, never shorter.
    return _cut(_DANGEROUS.sub(_escape, text[: limit + 1]), limit)


def printable(text: str) -> str:
    """A text of several lines with its control characters, but for line breaks and tabs, as escapes; nothing is cut."""
    return _DANGEROUS.sub(lambda found: found[0] if found[0] in _LAYOUT else _escape(found), text)


def json_printable(text: str) -> str:
    """A JSON document with its control characters as JSON's own escapes: safe on a terminal, equal when parsed."""
    return _DANGEROUS.sub(lambda found: found[0] if found[0] in _LAYOUT else f"\\u{ord(found[0]):04x}", text)


def safe_message(text: str) -> str:
    """Return a whole message as it may go to a terminal or a log; its own line breaks and tabs stay.

    Everything that shows an error applies this, so that no name in it can carry escape sequences.
    """
    return "\n".join(_cut(line, LONGEST_LINE) for line in printable(text[:LONGEST_MESSAGE]).split("\n"))


def path_text(path: object) -> str:
    """Return a path as text that any encoder takes: bytes that are not UTF-8 are written as escapes."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    return os.fsencode(text).decode("utf-8", "backslashreplace")  # pyright: ignore[reportArgumentType]


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    end = limit - 1
    # A base letter keeps its accents.
    while end > 0 and unicodedata.combining(text[end]):
        end -= 1
    return text[:end] + "…"
