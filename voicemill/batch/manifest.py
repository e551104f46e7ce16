"""Reading a manifest: a row for each speaker, in CSV or JSON lines.

Columns are `speaker` and `source`, and whatever parameters of the workflow differ from speaker to speaker; `overrides`
holds more of them (`sovits-epochs=12; gpt-dpo=true`, in JSON lines an object).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import UsageError

OVERRIDES = "overrides"
REQUIRED = ("speaker", "source")


@dataclass(frozen=True, order=True)
class ManifestError:
    """Something in the manifest that cannot be done, and the line it is on."""

    line: int
    text: str


@dataclass
class Row:
    """What a line asks for: values by the names of the workflow's parameters, empty ones left out."""

    line: int
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Manifest:
    """What a manifest holds: its rows, what is wrong with its form, and the names that its heading has, by line."""

    rows: list[Row] = field(default_factory=list)
    errors: list[ManifestError] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)


def read(path: Path) -> Manifest:
    """Read a manifest.

    Args:
        path: `.csv`, or JSON lines under any other name.

    Raises:
        InputError: if the file cannot be read at all.
    """
    text = untrusted.read_text(path)
    return parse(text, is_csv=path.suffix.lower() == ".csv")


def parse(text: str, *, is_csv: bool) -> Manifest:
    """Read a manifest's content.

    Args:
        text: The content.
        is_csv: Whether it is CSV; else it is JSON lines.
    """
    manifest = _of_csv(text) if is_csv else _of_json_lines(text)
    if not manifest.rows and not manifest.errors:
        manifest.errors.append(ManifestError(1, "the manifest has no rows"))
    return manifest


def common(text: str) -> Row:
    """Return the parameters for all speakers, written as `overrides` is: `KEY=VALUE; KEY=VALUE`, or a JSON object.

    Raises:
        UsageError: with everything that is wrong.
    """
    row, errors = Row(0), list[ManifestError]()
    try:
        content = untrusted.json_value(text, dict) if text.lstrip().startswith("{") else text
    except untrusted.Unreadable as error:
        raise UsageError(f"the parameters for all speakers are invalid: {error}") from error
    _put(row, OVERRIDES, content, errors)
    if errors:
        raise UsageError("; ".join(error.text for error in errors))
    return row


def _of_csv(text: str) -> Manifest:
    manifest = Manifest()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading: list[str] | None = None
    start = 1
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            # What follows an unclosed quote cannot be distinguished.
            manifest.errors.append(ManifestError(start, f"is not valid CSV: {error}; the lines after it were not read"))
            break
        line, start = start, reader.line_num + 1
        if not any(cells):
            continue
        if heading is None:
            heading = cells
            manifest.errors += _of_heading(heading, line)
            if manifest.errors:
                break
            manifest.columns = dict.fromkeys(filter(None, heading), line)
        elif len(cells) > len(heading):
            manifest.errors.append(ManifestError(line, f"has {len(cells)} cells where the heading has {len(heading)}"))
        else:
            row = Row(line)
            for name, cell in zip(heading, cells, strict=False):
                _put(row, name, cell, manifest.errors)
            manifest.rows.append(row)
    return manifest


def _of_heading(heading: list[str], line: int) -> list[ManifestError]:
    if len(heading) == 1 and ";" in heading[0]:
        return [ManifestError(line, "only one column was found; separate columns with commas")]
    errors = [ManifestError(line, f"the column {name} is missing") for name in REQUIRED if name not in heading]
    twice = sorted({name for name in heading if name and heading.count(name) > 1})
    return errors + [ManifestError(line, f"the column {name} appears twice") for name in twice]


def _of_json_lines(text: str) -> Manifest:
    manifest = Manifest()
    # Not splitlines(): U+2028 and its like may stand in a text.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            found = untrusted.json_value(content, dict)
        except untrusted.Unreadable as error:
            manifest.errors.append(ManifestError(line, f"cannot be used: {error}"))
            continue
        row = Row(line)
        for name, value in found.items():
            _put(row, name, value, manifest.errors)
        manifest.rows.append(row)
    return manifest


def _put(row: Row, name: str, value: Any, errors: list[ManifestError]) -> None:
    """Add a cell to its row; the cells of `overrides` become parameters like the others."""
    if name == OVERRIDES:
        pairs = value if isinstance(value, dict) else _pairs(row, str(value or ""), errors)
        for key, each in pairs.items():
            if key in (*REQUIRED, OVERRIDES) or key in row.values:
                errors.append(ManifestError(row.line, f"overrides sets {key}, which has a column of its own"))
            else:
                _put(row, key, each, errors)
    elif isinstance(value, dict | list):
        errors.append(ManifestError(row.line, f"{name} must be a string or a number"))
    elif value is not None and value != "":
        row.values[name] = str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(row: Row, text: str, errors: list[ManifestError]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key:
            errors.append(ManifestError(row.line, f"overrides takes KEY=VALUE; KEY=VALUE, not {part!r}"))
        elif key in pairs:
            errors.append(ManifestError(row.line, f"overrides sets {key} twice"))
        else:
            pairs[key] = value
    return pairs
