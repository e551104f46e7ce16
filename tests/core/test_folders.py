"""Going through a folder passes over nothing and waits for nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.permissions import permissions_hold
from voicemill.core.errors import UsageError
from voicemill.core.folders import refuse_inside, walk


def found(folder: Path) -> dict[str, str]:
    return {each.name: each.problem for each in walk(folder)}


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    (tmp_path / "a.wav").write_bytes(b"")
    os.mkfifo("pipe.wav")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.wav")
    (tmp_path / "null.wav").symlink_to("/dev/null")
    (tmp_path / "gone.wav").symlink_to("nowhere")
    (tmp_path / "round.wav").symlink_to("round.wav")
    assert found(tmp_path) == {
        "a.wav": "",
        "gone.wav": "it is a link to nowhere, which does not exist, not a file",
        "null.wav": "it is a device, not a file",
        "pipe.wav": "it is a named pipe, not a file",
        "round.wav": "it cannot be read: too many levels of symbolic links",
        "socket.wav": "it is a socket, not a file",
    }


def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    for name in ("locked/in.wav", "sealed.wav", "a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "locked").chmod(0)
    (tmp_path / "sealed.wav").chmod(0)
    with permissions_hold():
        assert found(tmp_path) == {
            "a.wav": "",
            "locked": "the folder cannot be read: permission denied",
            "sealed.wav": "it cannot be read: permission denied",
        }
    (tmp_path / "locked").chmod(0o700)


def test_a_linked_folder_is_read_once_and_no_link_leads_round(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for path in (outside / "one.wav", inside / "z" / "two.wav"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    (inside / "a").symlink_to(outside)
    (inside / "b").symlink_to(outside)
    (inside / "c").symlink_to("z")
    (inside / "up").symlink_to(tmp_path)
    (inside / "z" / "self").symlink_to(inside)
    assert found(inside) == {
        "z/two.wav": "",
        "a/one.wav": "",
        "b": f"it is a link to {outside}, which is read already",
        "c": f"it is a link to {inside / 'z'}, which is read already",
        "up": f"it is a link to {tmp_path}, which holds the folder that is read",
        "z/self": f"it is a link to {inside}, which is read already",
    }


def test_an_output_inside_what_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "link").symlink_to("source")
    for output in ("source", "source/out/run", "link/out"):
        with pytest.raises(UsageError, match="name a folder outside it"):
            refuse_inside(tmp_path / "source", tmp_path / output, "x")
    refuse_inside(tmp_path / "source", tmp_path / "source2", "x")
