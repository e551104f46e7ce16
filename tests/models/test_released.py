"""The newest small base: fetched from its release and checked, or else the one that comes with voicemill."""

from __future__ import annotations

import re
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save

from scripts import release
from tests.models.hub_server import Hub, serving
from voicemill.core.errors import InputError
from voicemill.models import packed, released, transfer
from voicemill.models.released import Base

PATH = "OWNER/voicemill/releases/download/small-base-2/small-base-2.tar"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A packed base as far as its files' names go."""
    folder = tmp_path / "packed"
    folder.mkdir()
    for name in packed.NAMES:
        (folder / f"{name}.safetensors").write_bytes(save({name: np.zeros(4, np.float32)}))
    (folder / "README.md").write_text("# The second\n")
    (folder / "notes.txt").write_text("not a part of it")
    return folder


@pytest.fixture
def base(folder: Path) -> Base:
    return replace(released.archive(folder, 2)[0], url=f"https://github.com/{PATH}")


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serves the release's file, at the address that GitHub would have."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setenv("VOICEMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "TRIES", 1)
    with serving(Hub(files={PATH: released.archive(folder, 2)[1]})) as hub:
        monkeypatch.setenv("VOICEMILL_GITHUB", hub.url)
        yield hub


def test_the_released_base_is_fetched_once_and_kept(hub: Hub, folder: Path, base: Base) -> None:
    found = released.packed_base(base)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "notes.txt"
    }
    asked = len(hub.requests)
    assert released.packed_base(base) == found and len(hub.requests) == asked
    assert sorted(path.name for path in found.parent.iterdir()) == [base.sha256], "nothing half-done is left"


@pytest.mark.parametrize("size", [0, 1])
def test_a_file_of_another_sha256_is_not_used(hub: Hub, base: Base, size: int) -> None:
    hub.files[PATH] = hub.files[PATH][: len(hub.files[PATH]) - size - 1] + b"x"
    said: list[str] = []
    assert released.packed_base(base, said.append) == packed.SMALL
    assert "is not the file that it should be" in said[-1] and "version 1 is taken" in said[-1]
    assert list((released.cache_folder() / "small-base").iterdir()) == []


def test_where_the_release_is_out_of_reach_the_committed_base_is_taken(
    hub: Hub, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status[PATH] = 404
    said: list[str] = []
    assert released.packed_base(base, said.append) == packed.SMALL
    assert "HTTP 404" in said[-1]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VOICEMILL_GITHUB", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert released.packed_base(base, said.append) == packed.SMALL
    assert "cannot be reached" in said[-1]


def test_an_interrupted_fetch_goes_on_where_it_stopped(hub: Hub, base: Base) -> None:
    hub.cut_after = 600
    assert released.packed_base(base) != packed.SMALL
    assert any("bytes=" in request for request in hub.requests)


def test_a_file_with_more_or_less_in_it_than_a_base_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in (*(f"{name}.safetensors" for name in packed.NAMES), "../outside"):
            tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(released.Unavailable, match=re.escape("it holds ../outside")):
        released.unpack(buffer.getvalue(), tmp_path / "unpacked")
    with pytest.raises(InputError, match="hubert.safetensors is missing"):
        released.archive(tmp_path, 2)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_asked_of_a_server_where_the_committed_base_is_the_newest(hub: Hub) -> None:
    assert released.newest().version == released.COMMITTED
    assert released.packed_base() == packed.SMALL and hub.requests == []


def test_a_release_has_the_newest_base_and_says_what_small_yaml_is_to_say(
    hub: Hub, folder: Path, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made := tmp_path / "dist").mkdir()
    assert Base(**yaml.safe_load(release.pack_base(folder, 2, made))) == base
    assert (made / base.name).read_bytes() == hub.files[PATH]
    monkeypatch.setattr(released, "newest", lambda: base)
    assert release.put_base(tmp_path / "release").read_bytes() == hub.files[PATH]
    monkeypatch.setattr(released, "newest", lambda: Base(1))
    committed = release.put_base(tmp_path / "release")
    assert committed.name == "small-base-1.tar"
    released.unpack(committed.read_bytes(), tmp_path / "unpacked")
    assert (tmp_path / "unpacked/gpt.safetensors").read_bytes() == (packed.SMALL / "gpt.safetensors").read_bytes()
