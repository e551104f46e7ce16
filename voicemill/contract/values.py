"""A parameter's text as a value: types, bounds, choices and places, in the same words wherever it is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voicemill.contract.declaration import REQUIRED, ParameterField, Place
from voicemill.core import text_or_path
from voicemill.core.display import display
from voicemill.core.errors import VoicemillError
from voicemill.core.text_or_path import is_there, resolved

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "gt": lambda value, limit: value > limit,
    "ge": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "le": lambda value, limit: value <= limit,
}
_WORDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def parse(field: ParameterField, text: str) -> Any:
    """Return the value that a text stands for; the default for an empty one of a parameter that may be left out.

    Args:
        field: The parameter's declaration.
        text: As it stands on a command line or in a workflow.

    Raises:
        ValueError: saying what the value must be; the sentence begins after the parameter's name.
    """
    if text == "" and field.may_be_empty:
        return field.default
    if field.choices and text not in field.choices:
        raise ValueError(f"must be one of {', '.join(field.choices)}, not {shown(text)}")
    if field.type is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"must be true or false, not {shown(text)}")
        return _BOOLEANS[text.lower()]
    if field.type is str:
        return _checked(field, text)
    what = "a whole number" if field.type is int else "a number"
    try:
        value = field.type(text)
    except ValueError:
        raise ValueError(f"must be {what}, not {shown(text)}") from None
    if not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {text.strip()}")
    if not all(_HOLDS[bound](value, limit) for bound, limit in field.bounds.items()):
        limits = " and ".join(f"{_WORDS[bound]} {limit}" for bound, limit in field.bounds.items())
        raise ValueError(f"must be {limits}, not {text.strip()}")
    return value


def problem_of_place(field: ParameterField, text: str, folder: Path | None = None) -> str:
    """Return why there is nothing to read at the place that a parameter names; empty if there is, or it names none.

    Addresses in S3 are not looked at.

    Args:
        field: The parameter's declaration.
        text: Its value.
        folder: Folder that relative paths start from; the current one by default.
    """
    place = field.place
    if place is None or place.is_written or text == "":
        return ""
    if place.otherwise == "text":
        return text_or_path.problem_of(text, folder)
    parts = [part.strip() for part in text.split(",")] if place.is_list else [text]
    return "; ".join(filter(None, (_problem_of_part(place, part, folder) for part in parts)))


def shown(text: str) -> str:
    """Return a user's text for a message: quoted, on one line, without control characters, cut short."""
    return f"'{display(text)}'"


def _problem_of_part(place: Place, part: str, folder: Path | None) -> str:
    if "://" in part:
        return "" if part.startswith("s3://") else f"{display(part)} is neither a path nor an s3:// address"
    path = resolved(part, folder)
    if not is_there(path):
        if place.otherwise == "voice" and "/" not in part:
            return ""
        wanted = {"any": "file or folder", "file": "file", "folder": "folder"}[place.kind]
        return f"{display(part)} does not exist; name an existing {wanted} or an s3:// address"
    if place.kind == "file" and path.is_dir():
        return f"{display(part)} is a folder; name the file itself{_such_as(part, path)}"
    if place.kind == "folder" and not path.is_dir():
        return f"{display(part)} is a file; name the folder"
    return ""


def _such_as(part: str, folder: Path) -> str:
    """Return the first file of a folder that was named in a file's place, as its user would write it."""
    try:
        inside = min((file.name for file in folder.iterdir() if file.is_file() and file.name[0] != "."), default=None)
    except OSError:  # the folder may not be listed; the sentence does without
        inside = None
    return f", such as {display(str(Path(part) / inside))}" if inside else ""


def _checked(field: ParameterField, text: str) -> str:
    if text == "" and field.default is REQUIRED and (field.place or field.check):
        raise ValueError("must not be empty")
    # An empty text is how a parameter that may be left out is left out.
    if field.check and text != "":
        try:
            return field.check(text)
        except VoicemillError as error:
            raise ValueError(str(error)) from None
    return text
