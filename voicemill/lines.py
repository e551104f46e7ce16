"""Lines to speak: a text file with one a line, JSON lines with settings of their own, or text on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.errors import InputError
from voicemill.text import ROUTES

_FIELDS = {"text": str, "language": str, "speed": float, "seed": int}


@dataclass(frozen=True)
class Line:
    """A line to speak.

    Attributes:
        name: Its number in the source, from 0001; names its file.
        raw: As it stands in the source.
        is_json: Whether it is a JSON object with `text` and perhaps `language`, `speed` and `seed`.
    """

    name: str
    raw: str
    is_json: bool = False

    def settings(self) -> dict[str, Any]:
        """`text`, and whatever else the line sets.

        Raises:
            InputError: When it is empty, no JSON object, or has fields that mean nothing.
        """
        if not self.raw.strip():
            raise InputError("the line is empty")
        if not self.is_json:
            return {"text": self.raw}
        try:
            fields = json.loads(self.raw)
        except json.JSONDecodeError as error:
            raise InputError(f"the line is not JSON: {error}") from error
        if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
            raise InputError('the line is not a JSON object with a "text"')
        unknown = sorted(fields.keys() - _FIELDS.keys())
        if unknown:
            raise InputError(f"the line sets {', '.join(unknown)}; it can set {', '.join(_FIELDS)}")
        try:
            settings = {name: _FIELDS[name](value) for name, value in fields.items()}
        except (TypeError, ValueError) as error:
            raise InputError(f"the line has a value of the wrong kind: {error}") from error
        if settings.get("language", ROUTES[0]) not in ROUTES:
            raise InputError(f"the line is in {settings['language']}; the languages are {', '.join(ROUTES)}")
        if not settings["text"].strip():
            raise InputError("the line is empty")
        return settings


def read_lines(source: Path | str) -> list[Line]:
    """Read the lines of a file, or of a text.

    Args:
        source: A file (`.jsonl`: JSON lines, as is any file whose first line begins with a brace), or the text itself.

    Raises:
        InputError: When the file is not text in UTF-8, or there is no line at all.
    """
    if isinstance(source, Path):
        try:
            text = source.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{source} is not text in UTF-8 (at byte {error.start}); save it as UTF-8") from error
    else:
        text = source
    rows = text.replace("\r\n", "\n").split("\n")
    while rows and not rows[-1].strip():
        rows.pop()
    if not rows:
        raise InputError(f"{source} has no line to speak" if isinstance(source, Path) else "there is no line to speak")
    is_json = rows[0].lstrip().startswith("{") or (isinstance(source, Path) and source.suffix == ".jsonl")
    return list(_named(rows, is_json))


def _named(rows: list[str], is_json: bool) -> Iterator[Line]:
    for number, row in enumerate(rows, start=1):
        yield Line(f"{number:04d}", row, is_json)
