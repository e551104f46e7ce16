"""What strangers write into a registry, or into a folder that is published, harms nobody who uses it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.registry.conftest import make_voice
from voicemill.core.errors import InputError
from voicemill.registry import names, publish, pull, records, revocation, tombstones, uploads
from voicemill.storage import Store, open_store

DIGEST = "0" * 64


def rewritten(registry: Store, version: str, change: Callable[[dict[str, Any]], object]) -> None:
    key = names.record_key("anna", version)
    record = json.loads(registry.read(key)[0])
    change(record)
    registry.write(key, json.dumps(record).encode())


ON_FOLDERS = pytest.mark.parametrize("place", ["folder"], indirect=True)
"""What bytes say is read the same from every store; others of these tests read them from S3 too."""


@pytest.mark.parametrize(
    "name",
    [
        "{outside}/absolute",
        "../climbed",
        "a/../../climbed",
        "..\\climbed",
        "\uff0e\uff0e/climbed",
        "a\u2215b",
        "a\0b",
        "_SUCCESS.json",
        "",
    ],
)
def test_a_record_that_names_a_file_outside_brings_nothing(
    registry: Store, three: list[str], name: str, tmp_path: Path
) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target" / "voice"
    outside.mkdir()
    name = name.format(outside=outside)
    for first in (True, False):

        def change(record: dict[str, Any], first: bool = first) -> None:
            evil = {name: DIGEST}
            record["files"] = {**evil, **record["files"]} if first else {**record["files"], **evil}

        rewritten(registry, three[0], change)
        with pytest.raises(InputError, match="cannot be used: it names the file .*: "):
            pull(registry, "anna", three[0], target)
    assert not target.exists() and not list(outside.iterdir())
    assert not list(tmp_path.rglob("climbed"))


def test_a_link_in_the_target_is_not_followed(registry: Store, three: list[str], tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "voice.json").symlink_to(outside / "voice.json")
    with pytest.raises(InputError, match="a link in .* leads out of it"):
        pull(registry, "anna", three[0], target)
    assert not list(outside.iterdir()) and [path.name for path in target.iterdir()] == ["voice.json"]


def test_a_link_in_a_registry_that_is_a_folder_is_not_followed(tmp_path: Path) -> None:
    registry = open_store(tmp_path / "registry")
    version = publish(make_voice(tmp_path / "one"), registry).version
    (tmp_path / "secret").write_text("PRIVATE")
    file = tmp_path / "registry" / "anna" / version / "README.md"
    file.symlink_to(tmp_path / "secret")
    rewritten(registry, version, lambda record: record["files"].update({"README.md": DIGEST}))
    with pytest.raises(InputError, match="a link in .* leads out of it"):
        pull(registry, "anna", version, tmp_path / "voice")


@pytest.mark.parametrize("name", ["_SUCCESS.json", "deep/_SUCCESS.json", "_aliases/prod.json", "\uff3fSUCCESS.json"])
def test_a_voice_does_not_bring_its_own_record(registry: Store, name: str, tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(InputError, match="belong to the registry"):
        publish(folder, registry)
    assert not list(registry.list())


def test_a_folder_with_links_pipes_or_hidden_files_is_not_published(registry: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("PRIVATE")

    def link(folder: Path) -> None:
        (folder / "notes.txt").symlink_to(tmp_path / "secret")

    def link_inside(folder: Path) -> None:
        (folder / "notes.txt").symlink_to("voice.json")

    def linked_folder(folder: Path) -> None:
        (folder / "etc").symlink_to("/etc")

    def loop(folder: Path) -> None:
        (folder / "loop").symlink_to(folder)

    def pipe(folder: Path) -> None:
        os.mkfifo(folder / "pipe")

    def hidden(folder: Path) -> None:
        (folder / ".DS_Store").write_text("")

    def odd(folder: Path) -> None:
        (folder / "a\nb").write_text("")

    crafts = {link: "link", link_inside: "link", linked_folder: "link", loop: "link"}
    crafts |= {pipe: "neither a file nor a folder", hidden: "hidden", odd: "control character"}
    for craft, problem in crafts.items():
        folder = make_voice(tmp_path / craft.__name__)
        craft(folder)
        with pytest.raises(InputError, match=f"is not published: .*{problem}"):
            publish(folder, registry)
    assert not list(registry.list())


DAMAGED = [b"", b"[]", b"{", b"{}", b'{"format": 1}', b'{"format": 1, "x": 1}', b"\xff", b"[" * 200_000, b"null"]


@ON_FOLDERS
@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:10]))
def test_a_damaged_record_is_one_row_and_harms_no_other_voice(
    registry: Store, three: list[str], content: bytes, voicemill, place: str, capsys, tmp_path: Path
) -> None:
    other = publish(make_voice(tmp_path / "zoe", speaker="zoe"), registry).version
    registry.write(names.record_key("anna", three[0]), content)
    assert voicemill("voices", "list", "--registry", f"{place}/registry") == 0
    shown = capsys.readouterr()
    rows = {line.split()[1]: line for line in shown.out.splitlines()[1:]}
    assert rows.keys() == {*three, other} and "damaged" in rows[three[0]] and "damaged" not in rows[other]
    assert f"anna/{three[0]}/_SUCCESS.json" in shown.err or f"anna@{three[0]}" in shown.err
    with pytest.raises(InputError, match="_SUCCESS.json|the record of"):
        pull(registry, "anna", three[0], tmp_path / "voice")
    assert voicemill("voices", "revoke", "zoe", "--registry", f"{place}/registry", "--why", "asked", "--yes") == 0
    assert voicemill("voices", "show", f"anna@{three[1]}", "--registry", f"{place}/registry") == 0


@pytest.mark.parametrize("content", DAMAGED[:4], ids=repr)
def test_a_voice_whose_records_are_damaged_is_revoked_all_the_same(
    registry: Store, three: list[str], content: bytes, tmp_path: Path
) -> None:
    for version in three:
        registry.write(names.record_key("anna", version), content)
    registry.write(names.alias_key("anna", "latest"), content)
    revocation.revoke(registry, "anna", why="asked", by="ben")
    assert not [entry for entry in registry.list() if entry.key.startswith("anna/")]
    with pytest.raises(InputError, match="belongs to a speaker who was revoked"):
        publish(renamed(tmp_path / "one"), registry)


def renamed(folder: Path) -> Path:
    voice = json.loads((folder / "voice.json").read_text())
    (folder / "voice.json").write_text(json.dumps({**voice, "speaker": "somebody"}))
    return folder


def test_the_tombstone_is_written_before_anything_is_read(
    registry: Store, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise OSError("the registry cannot be reached")

    monkeypatch.setattr(type(registry), "traces", away)
    with pytest.raises(OSError, match="cannot be reached"):
        revocation.revoke(registry, "anna", why="asked", by="ben")
    assert tombstones.is_there(registry, "anna")


def test_a_damaged_tombstone_still_refuses_and_is_mended_by_revoking(registry: Store, tmp_path: Path) -> None:
    registry.write(names.tombstone_key("anna"), b"{")
    with pytest.raises(InputError, match="_revoked/anna.json"):
        publish(make_voice(tmp_path / "one"), registry)
    revocation.revoke(registry, "anna", why="asked", by="ben")
    with pytest.raises(InputError, match="revoked by ben"):
        publish(tmp_path / "one", registry)


def test_a_damaged_mark_of_another_speaker_keeps_nothing_and_stops_nothing(registry: Store) -> None:
    for digest in ("aa", "bb"):
        registry.write(f"{uploads.CONTENT}/{digest}/speech.wav", b"x")
    uploads.mark(registry, "anna", ["aa"])
    registry.write(f"{uploads.USED}/zoe/damaged.json", b'{"digests": [""]}')
    revocation.revoke(registry, "anna", why="asked", by="ben", artifacts=registry)
    left = {entry.key for entry in registry.list("uploads/")}
    assert left == {f"{uploads.CONTENT}/bb/speech.wav", f"{uploads.USED}/zoe/damaged.json"}


def test_an_own_mark_that_is_damaged_is_said_and_left(registry: Store) -> None:
    registry.write(f"{uploads.CONTENT}/aa/speech.wav", b"x")
    uploads.mark(registry, "anna", ["aa"])
    registry.write(f"{uploads.USED}/anna/damaged.json", b"[]")
    with pytest.raises(InputError, match="damaged.json is damaged, so it is not known which uploads"):
        revocation.revoke(registry, "anna", why="asked", by="ben", artifacts=registry)
    assert {entry.key for entry in registry.list("uploads/")} == {f"{uploads.USED}/anna/damaged.json"}
    registry.delete(f"{uploads.USED}/anna/damaged.json")
    revocation.revoke(registry, "anna", why="asked", by="ben", artifacts=registry)


@ON_FOLDERS
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"version": "../../x", "before": [], "log": []},
        {"version": 5, "before": 5, "log": 5},
        {"version": "0" * 16, "before": [], "log": [{}]},
    ],
)
def test_a_damaged_alias_is_named_and_stops_no_list(
    registry: Store, three: list[str], content: dict[str, Any], voicemill, place: str, capsys
) -> None:
    registry.write(names.alias_key("anna", "prod"), json.dumps(content).encode())
    assert voicemill("voices", "list", "--registry", f"{place}/registry") == 0
    assert "anna/_aliases/prod.json" in capsys.readouterr().err
    assert voicemill("voices", "rollback", "anna", "--registry", f"{place}/registry") == 65
    assert voicemill("voices", "delete", f"anna@{three[0]}", "--registry", f"{place}/registry") == 65


@ON_FOLDERS
@pytest.mark.parametrize(
    "content", [[], {"require_consent": "no"}, {"public_keys": "x"}, {"public_keys": [5]}, {"public_keys": ["x"]}]
)
def test_a_damaged_policy_lets_nothing_through(registry: Store, three: list[str], content: Any, tmp_path: Path) -> None:
    registry.write(names.POLICY, json.dumps(content).encode())
    with pytest.raises(InputError):
        pull(registry, "anna", three[0], tmp_path / "voice")


@ON_FOLDERS
@pytest.mark.parametrize(
    "speaker", ["声" * 100, "a\x7f", "a\x9b31m", "a\u2028b", "a\u2215b", "\ud800", "a/b", "..", "_revoked", "-x\\y"]
)
def test_a_speaker_whose_name_no_file_can_have_is_refused(registry: Store, speaker: str) -> None:
    with pytest.raises(InputError, match="has a line break or control character|cannot be a speaker"):
        names.check_speaker(speaker)


@ON_FOLDERS
@pytest.mark.parametrize("name", ["lineage.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"[]", b"{", b"null", b"\xff", b"[" * 100_000, b'{"best": 5}'])
def test_a_damaged_document_of_a_voice_is_refused_by_name(
    registry: Store, name: str, content: bytes, tmp_path: Path
) -> None:
    folder = make_voice(tmp_path / "voice")
    (folder / name).write_bytes(content)
    if (name, content) == ("lineage.json", b'{"best": 5}'):
        publish(folder, registry)
        return
    with pytest.raises(InputError, match=f"{name} cannot be used"):
        publish(folder, registry)


def test_a_measure_that_is_no_number_does_not_get_into_the_record(registry: Store, tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice", error_rate=float("nan"))
    version = publish(folder, registry).version
    found = records.find(registry, "anna", version)
    assert found and found.about["metrics"] == {"similarity": 0.8, "score": 0.5}
