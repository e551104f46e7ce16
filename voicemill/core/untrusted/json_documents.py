"""JSON and JSON lines, strictly: bounded size, depth and integers, finite numbers, no duplicate keys, whole Unicode."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from voicemill.core.display import display
from voicemill.core.json_values import plain_type
from voicemill.core.untrusted.files import MOST_BYTES, Unreadable, decoded, read_bytes, refused

DEEPEST = 64
"""Nested lists and objects."""
LONGEST_INTEGER = 40
"""Digits; Python itself refuses to read 4,300, and later code makes floats of them."""

_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS: dict[type, str] = {dict: "object", list: "list", str: "string"}

T = TypeVar("T")


def read_json(path: Path, expect: type[T], *, hint: str = "", most_bytes: int = MOST_BYTES, nan: bool = False) -> T:
    """Return a JSON file.

    Args:
        path: The file.
        expect: Type of the whole: `dict[str, Any]`, `list[Any]`, or `object` for any.
        hint: What the user may do about a file that cannot be used.
        most_bytes: Largest size.
        nan: Accept NaN and infinity, which Python writes for numbers of a training that diverged.

    Raises:
        InputError: If the file does not exist or it cannot be used; names the file and the place.
    """
    return parse_json(read_bytes(path, hint=hint, most_bytes=most_bytes), path, expect, hint=hint, nan=nan)


def parse_json(data: bytes | str, name: object, expect: type[T], *, hint: str = "", nan: bool = False) -> T:
    """Return a JSON document that is in memory; `name` is what errors call it. Otherwise as `read_json`."""
    try:
        return json_value(data, expect, nan=nan)
    except Unreadable as error:
        raise refused(name, error, hint) from error


def read_json_lines(path: Path, *, hint: str = "", nan: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the objects of a file with one a line, each with the line's number; empty lines are passed over.

    Raises:
        InputError: As `read_json`, when the line is reached.
    """
    return parse_json_lines(read_bytes(path, hint=hint), path, hint=hint, nan=nan)


def parse_json_lines(
    data: bytes | str, name: object, *, hint: str = "", nan: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """JSON lines that are in memory; `name` is what errors call them. Otherwise as `read_json_lines`."""
    try:
        # Not splitlines(): U+2028 and the like may stand inside of a string.
        lines = decoded(data).split("\n")
    except Unreadable as error:
        raise refused(name, error, hint) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json_value(line, dict, nan=nan)
            except Unreadable as error:
                raise refused(f"line {number} of {display(name, 250)}", error, hint) from error


def json_value(data: bytes | str, expect: type[T], *, nan: bool = False) -> T:
    """A JSON text, for readers that name the place themselves or collect what is wrong. Otherwise as `read_json`.

    Raises:
        Unreadable: If it cannot be used; says why, as a clause about "it".
    """
    text = decoded(data)
    _check_depth(text)
    try:
        found = json.loads(
            text,
            parse_int=_integer,
            parse_float=float if nan else _finite,
            parse_constant=float if nan else _not_a_number,
            object_pairs_hook=_object,
        )
        if _HALF_PAIR.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise Unreadable(f"it is not valid JSON ({error.msg}, {place})") from error
    except UnicodeEncodeError as error:
        raise Unreadable("a string holds half a surrogate pair") from error
    kind = plain_type(expect)
    if not isinstance(found, kind):
        raise Unreadable(f"it is not a JSON {_KINDS.get(kind, kind.__name__)}")
    return found


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        first = found[0][0]
        if first in "[{":
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
        elif first in "]}":
            depth -= 1


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise Unreadable(f"the number {display(digits, 20)} has more than {LONGEST_INTEGER} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Unreadable(f"the number {display(digits, 20)} is too large")
    return number


def _not_a_number(word: str) -> float:
    raise Unreadable(f"{word} is not a number in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Unreadable(f"the key '{display(twice)}' appears twice in one object")
    return found
