"""Lines to speak: a text file with one a line, JSON lines with settings of their own, or text on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from voicemill import storage
from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.text_or_path import path_in
from voicemill.text import ROUTES

_FIELDS = {"text": str, "language": str, "speed": float, "seed": int, "reference": str}
SPEEDS = (0.25, 4.0)
LARGEST_SEED = 2**32 - 1


class EmptyLine(InputError):
    """There is nothing on the line: no mistake, and nothing to speak."""


@dataclass(frozen=True)
class Line:
    """A line to speak.

    Attributes:
        name: Its number in the source, from 0001; names its file.
        raw: As it stands in the source.
        is_json: Whether it is a JSON object with `text` and perhaps `language`, `speed`, `seed` and
            `reference`.
    """

    name: str
    raw: str
    is_json: bool = False

    def settings(self, *more: str) -> dict[str, Any]:
        """`text`, and whatever else the line sets.

        Args:
            *more: Names of further fields that it may set, to a text.

        Raises:
            InputError: When it is empty (`EmptyLine`), no JSON object, or has fields that mean nothing.
        """
        if not self.raw.strip():
            raise EmptyLine("the line is empty")
        if not self.is_json:
            return {"text": self.raw}
        try:
            fields = untrusted.json_value(self.raw, dict)
        except untrusted.Unreadable as error:
            raise InputError(f"the line cannot be used: {error}") from error
        if not isinstance(fields.get("text"), str):
            raise InputError('the line is not a JSON object with a "text"')
        kinds: dict[str, Any] = _FIELDS | dict.fromkeys(more, str)
        unknown = sorted(fields.keys() - kinds.keys())
        if unknown:
            raise InputError(f"the line sets {display(', '.join(unknown))}; it can set {', '.join(kinds)}")
        try:
            settings = {name: kinds[name](value) for name, value in fields.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"the line has a value of the wrong kind: {display(error)}") from error
        if settings.get("language", ROUTES[0]) not in ROUTES:
            raise InputError(f"the line is in {display(settings['language'])}; the languages are {', '.join(ROUTES)}")
        if not 0 <= settings.get("seed", 0) <= LARGEST_SEED:
            raise InputError(f"the seed {settings['seed']} must lie between 0 and {LARGEST_SEED}")
        slowest, fastest = SPEEDS
        if not slowest <= settings.get("speed", 1.0) <= fastest:
            raise InputError(f"the speed must lie between {slowest:g} and {fastest:g}, not {settings['speed']}")
        if not settings["text"].strip():
            raise EmptyLine("the line is empty")
        return settings


def source_of(given: str) -> Path | str:
    """Return where lines are: the file that a path or s3:// address names, brought to this machine, or the text itself.

    Which of them a text is, `voicemill.core.text_or_path` says.

    Raises:
        UsageError: It looks like a path and no file is there.
        InputError: There is nothing at the address.
    """
    path = path_in(given)
    return given if path is None else storage.fetch(path)


def read_lines(source: Path | str) -> Iterator[Line]:
    """Read the lines of a file, or of a text, one after the other; empty lines at the end are ignored.

    Args:
        source: A file (`.jsonl`: JSON lines, as is any file whose first line begins with a brace), or the text itself.

    Raises:
        InputError: When the file is not text in UTF-8, or has no line at all.
    """
    rows = _without_empty_end(_rows_of(source) if isinstance(source, Path) else source.split("\n"))
    first = next(rows, None)
    if first is None:
        raise InputError(
            f"{source} has no line to speak" if isinstance(source, Path) else "the text has no line to speak"
        )
    is_json = first.lstrip().startswith("{") or (isinstance(source, Path) and source.suffix == ".jsonl")
    for number, row in enumerate(chain([first], rows), start=1):
        yield Line(f"{number:04d}", row, is_json)


def write_shard(path: Path, lines: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Write lines of a script, each its number there and its settings, as `read_shard` reads them."""
    with path.open("w", encoding="utf-8") as file:
        for number, settings in lines:
            file.write(json.dumps({"line": number, **settings}, ensure_ascii=False) + "\n")


def read_shard(path: Path) -> Iterator[Line]:
    """Return the lines of a script under the numbers that they have there, with six digits."""
    with path.open("rb") as file:
        for place, row in enumerate(file, start=1):
            try:
                fields = untrusted.json_value(row, dict)
            except untrusted.Unreadable as error:
                raise InputError(f"line {place} of {display(path)} cannot be used: {error}; plan again") from error
            number = fields.pop("line", None)
            if not isinstance(number, int):
                raise InputError(f"line {place} of {display(path)} has no number; plan again")
            yield Line(f"{number:06d}", json.dumps(fields, ensure_ascii=False), is_json=True)


def _rows_of(path: Path) -> Iterator[str]:
    start = 0
    with path.open("rb") as file:
        for row in file:
            try:
                yield row.decode("utf-8-sig" if start == 0 else "utf-8").removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                at = start + error.start
                raise InputError(f"{path} is not text in UTF-8 (at byte {at}); save it as UTF-8") from error
            start += len(row)


def _without_empty_end(rows: Iterable[str]) -> Iterator[str]:
    empty: list[str] = []
    for row in rows:
        row = row.removesuffix("\r")
        if row.strip():
            yield from empty
            yield row
            empty = []
        else:
            empty.append(row)
