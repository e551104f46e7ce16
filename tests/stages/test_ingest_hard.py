"""The collection of difficult files, item by item as its index says; test_ingest.py makes its promises without it."""

import csv
import re

import pytest

from tests.shared import SHARED
from voicemill.contract import Ledger
from voicemill.stages.ingest import ingest

# What the index says a sound pipeline should do -> what the ledger may say.
SAYS = {
    "ok": r"kept",
    "ok: must not become silence": r"kept",
    "ok: cannot be known": r"kept",
    "ok: outputs must not overwrite each other": r"kept",
    "ok or warn": r"kept",
    "ok with warning, or error": r"kept with notes",
    "error or repaired, never NaN out": r"kept with notes",
    "skip: too short": r"too short: .+",
    "skip: empty": r".+ is empty: .+",
    "skip: no speech": r"no speech: .+",
    "error: empty file": r".+ is an empty file \(0 bytes\)",
    "error: not audio": r".+ is not audio: .+",
    "error: truncated": r".+ is truncated: .+",
    "error: bad header": r".+ has a bad header: .+",
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> Ledger:
    assert SHARED
    return ingest(tmp_path_factory.mktemp("hard") / "audio", source=str(SHARED / "data" / "hard"), min_minutes=0.0)


def rows() -> list[dict[str, str]]:
    assert SHARED
    with (SHARED / "data" / "index.csv").open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["path"].startswith("hard/")]


def test_every_file_is_in_the_ledger_under_its_own_name(ledger):
    assert sorted(entry["item"] for entry in ledger.entries) == sorted(
        row["path"].removeprefix("hard/") for row in rows()
    )


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["path"])
def test_the_file_is_kept_or_dropped_as_expected(ledger, row):
    by_name = {entry["item"]: entry for entry in ledger.entries}
    entry = by_name[row["path"].removeprefix("hard/")]
    said = entry.get("reason") or ("kept with notes" if entry["notes"] else "kept")
    if said.startswith("duplicate of "):
        same = [other["path"] for other in rows() if other["sha256"] == row["sha256"]]
        assert "hard/" + said.removeprefix("duplicate of ") in same
    elif row["path"].endswith(".segments.csv"):
        assert said.startswith("skipped: not audio by design")
    else:
        assert re.fullmatch(SAYS[row["expect"]], said.removesuffix(" with notes") if row["expect"] == "ok" else said)
