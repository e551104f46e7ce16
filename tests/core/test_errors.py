"""Errors in the contract's terms: a full disk in whatever words a library says it, and what the system refuses."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.permissions import permissions_hold
from voicemill.cli import main as cli
from voicemill.core.errors import InputError, full_disk, known


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


def refused(action: Callable[[], object]) -> tuple[int, str]:
    """Exit code and sentence for what the system says to an action."""
    with permissions_hold():
        with pytest.raises(OSError) as raised:
            action()
        found = known(raised.value)
    assert found is not None
    return found.exit_code, str(found)


def test_what_the_system_refuses_is_told_by_what_was_tried(tmp_path: Path) -> None:
    fixed, locked, sealed = tmp_path / "fixed", tmp_path / "locked", tmp_path / "sealed"
    for folder in (fixed, locked):
        folder.mkdir()
    for path in (sealed, locked / "x"):
        path.write_text("")
    fixed.chmod(0o555)
    locked.chmod(0)
    sealed.chmod(0)
    (tmp_path / "round").symlink_to("round")
    assert refused(lambda: (fixed / "x").write_text(""))[0] == 73
    assert refused(lambda: (fixed / "x" / "y").mkdir(parents=True))[0] == 73
    assert refused(sealed.read_text) == (65, f"{sealed} cannot be read: permission denied; change its permissions")
    assert refused((locked / "x").read_text)[0] == 65
    assert refused(lambda: os.scandir(locked))[0] == 65
    assert refused(lambda: (sealed / "x").mkdir(parents=True))[0] == 64
    assert refused(lambda: sealed.mkdir(exist_ok=True))[0] == 64
    assert refused(tmp_path.read_text) == (64, f"{tmp_path} is a folder where a file is needed; name a file")
    assert refused((tmp_path / "round").read_text)[0] == 65
    assert refused(lambda: (tmp_path / ("x" * 300)).write_text(""))[0] == 64
    locked.chmod(0o700)


def test_a_read_only_file_system_cannot_be_written() -> None:
    found = known(OSError(errno.EROFS, os.strerror(errno.EROFS), "/mnt/x"))
    assert found is not None and found.exit_code == 73 and "/mnt/x" in str(found)


def test_a_group_is_known_if_all_of_it_is() -> None:
    denied = PermissionError(errno.EROFS, "", "/mnt/x")
    assert known(ExceptionGroup("tasks", [denied, InputError("x")])) is not None
    assert known(ExceptionGroup("tasks", [denied, ValueError("a bug")])) is None


def test_an_error_that_names_no_file_is_a_bug() -> None:
    assert known(PermissionError(errno.EPERM, "not permitted")) is None
    assert known(FileNotFoundError(errno.ENOENT, "", "x")) is None


def test_a_command_says_it_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> None:
        raise ExceptionGroup("unhandled errors in a TaskGroup", [FULL])

    monkeypatch.setattr(cli, "app", run)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 73
    assert capsys.readouterr().err == "voicemill: the disk is full (/data/x.wav); free some space and run it again\n"
