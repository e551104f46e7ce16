"""CSV output that is safe to open in a spreadsheet: no text cell is evaluated as a formula."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\n")

Cell = str | int | float | None


def as_csv(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table as CSV.

    Numbers stay numbers, None is an empty cell. A string that a spreadsheet would evaluate (it begins with `=`, `+`,
    `-`, `@`, one of their fullwidth forms, a tab or a line break) is prefixed with an apostrophe, which spreadsheets
    read as a marker for text. Line breaks become line feeds.

    Args:
        heading: Names of the columns.
        rows: Cells of each row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows([_quoted(cell) for cell in row] for row in rows)
    return text.getvalue()


def _quoted(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    # A carriage return alone would not be quoted by the csv module, and end the row.
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")
    if not unicodedata.normalize("NFKC", cell[:1]).startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
