"""CSV tables: bounded size, cells and columns, strict quoting."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from voicemill.core.untrusted.files import MOST_BYTES, Unreadable, decoded, read_bytes, refused

MOST_COLUMNS = 1_000


class CsvRow(NamedTuple):
    """A row of a table: the number of its last line in the file, and its cells."""

    line: int
    cells: list[str]


def read_csv(path: Path, *, hint: str = "", most_bytes: int = MOST_BYTES, delimiter: str = ",") -> Iterator[CsvRow]:
    """Rows of a CSV file with a header or without; a byte order mark is left out, empty lines are passed over.

    Raises:
        InputError: If the file does not exist, or, when its line is reached, what is wrong with it.
    """
    return parse_csv(read_bytes(path, hint=hint, most_bytes=most_bytes), path, hint=hint, delimiter=delimiter)


def parse_csv(data: bytes | str, name: object, *, hint: str = "", delimiter: str = ",") -> Iterator[CsvRow]:
    """Return the rows of a table that is in memory; `name` is what errors call it. Otherwise as `read_csv`."""
    try:
        text = decoded(data)
        if "\0" in text:
            raise Unreadable("it holds NUL characters; is it text?")
    except Unreadable as error:
        raise refused(name, error, hint) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if len(cells) > MOST_COLUMNS:
                raise refused(name, f"line {reader.line_num} has more than {MOST_COLUMNS} columns", hint)
            if cells:
                yield CsvRow(reader.line_num, cells)
    except csv.Error as error:
        raise refused(name, f"it is not valid CSV ({error}, line {reader.line_num})", hint) from error
