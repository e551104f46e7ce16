"""Each row of shared/text that is read otherwise than it says has a reason in `not_right.csv`, and no other row has."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import SHARED

_ROOT = Path(__file__).resolve().parents[2]
_KINDS = ("convention: ", "open: ", "source: ", "symbols: ")


def reasons() -> dict[tuple[str, str], str]:
    with Path(__file__).with_name("not_right.csv").open(encoding="utf-8") as file:
        return {(row["language"], row["input"]): row["reason"] for row in csv.DictReader(file)}


def test_a_reason_says_what_kind_it_is():
    assert [reason for reason in reasons().values() if not reason.startswith(_KINDS)] == []


@pytest.mark.skipif(SHARED is None, reason="the rows lie in ../shared, which is not here")
def test_a_row_is_right_or_has_a_reason_and_not_both():
    assert SHARED is not None
    folder = SHARED / "text"
    command = [sys.executable, str(folder / "check.py"), *map(str, sorted(folder.glob("*.csv"))), "--failing"]
    printed = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    failing = {tuple(line.split("\t")[:2]) for line in printed.splitlines() if line.count("\t") >= 3}
    explained = reasons()
    assert sorted(failing - explained.keys()) == []
    assert sorted(explained.keys() - failing) == []
    passed = int(printed.splitlines()[-1].split()[0])
    assert passed >= 700
