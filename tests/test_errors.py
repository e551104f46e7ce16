"""A full disk, in whatever words a library says it."""

from __future__ import annotations

import errno
import os
import sqlite3

import pytest

from voicemill import cli
from voicemill.errors import full_disk


def sqlite_full() -> sqlite3.Error:
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as raised:
        database.execute("CREATE TABLE t AS SELECT zeroblob(100000)")
    return raised.value


def caused(error: Exception) -> Exception:
    try:
        raise RuntimeError("unexpected pos 768 vs 662") from error
    except RuntimeError as outer:
        return outer


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x.wav")


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (FULL, "/data/x.wav"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/home/x"), "/home/x"),
        (caused(FULL), "/data/x.wav"),
        (ExceptionGroup("unhandled errors in a TaskGroup", [ValueError("x"), caused(FULL)]), "/data/x.wav"),
        (Exception("Error while serializing: I/O error: No space left on device (os error 28)"), "while writing"),
        (sqlite_full(), "while writing"),
    ],
    ids=["disk", "quota", "caused", "group", "safetensors", "sqlite"],
)
def test_a_full_disk_is_known_by_any_name(error: Exception, place: str) -> None:
    found = full_disk(error)
    assert found is not None and found.exit_code == 73
    assert place in str(found)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, os.strerror(errno.EIO)), ValueError("disk"), caused(ValueError())]
)
def test_nothing_else_is(error: Exception) -> None:
    assert full_disk(error) is None


def test_a_command_says_it_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise ExceptionGroup("unhandled errors in a TaskGroup", [FULL])

    monkeypatch.setattr(cli, "app", run)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 73
    assert capsys.readouterr().err == "voicemill: the disk is full (/data/x.wav); free some space and run it again\n"
