"""A table that strangers' texts are in can be opened in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core.spreadsheets import as_csv


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠x", "-rf", "=cmd|'/c calc'!A0"]
)
def test_what_begins_like_a_formula_is_marked_as_text(cell: str) -> None:
    assert rows(as_csv(["a"], [[cell]])) == [["a"], ["'" + cell.replace("\r", "\n")]]


@pytest.mark.parametrize("cell", ["anna", "a=b", "'quoted", "", " =1", "a,b", 'a "b"', "a\nb"])
def test_other_texts_stay_as_they_are(cell: str) -> None:
    assert rows(as_csv(["a"], [[cell, "x"]]))[1] == [cell, "x"]


def test_numbers_stay_numbers() -> None:
    assert as_csv(["a"], [[-1, -0.5, 3, None, "-0.25", "+3"]]) == "a\n-1,-0.5,3,,-0.25,+3\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), min_size=1))
def test_no_text_becomes_a_formula_and_none_is_lost(cells: list[str]) -> None:
    found = rows(as_csv(["x"] * len(cells), [cells]))[1]
    for before, after in zip(cells, found, strict=True):
        before = before.replace("\r\n", "\n").replace("\r", "\n")
        assert after in (before, f"'{before}")
        assert not after.startswith(("=", "@", "\t", "\r", "\n"))
