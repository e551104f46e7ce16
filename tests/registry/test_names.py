"""A speaker is found in whichever Unicode form, and where it is clear in whichever case, the name was stored."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from voicemill.core.errors import InputError
from voicemill.registry import aliases, names, open_registry, publish, pull, records, resolve, revocation, uploads
from voicemill.storage import Store, open_store
from voicemill.storage.local import LocalStore
from voicemill.storage.store import Entry

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def stored_decomposed(store: Store) -> None:
    """Rename every key as a registry has it that was written with names as macOS gives them."""
    for entry in list(store.list()):
        store.write(unicodedata.normalize("NFD", entry.key), store.read(entry.key)[0])
        store.delete(entry.key)


@pytest.fixture
def old(place: str, tmp_path: Path) -> Store:
    """A registry whose only speaker is stored under the decomposed name."""
    store = open_store(place)
    publish(make_voice(tmp_path / "old", speaker=DECOMPOSED), store)
    stored_decomposed(store)
    return store


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
def test_a_registry_with_decomposed_names_is_used_as_it_is(old: Store, place: str, tmp_path: Path, asked: str) -> None:
    registry = open_registry(place)
    record = resolve(registry, names.parse(asked))
    assert record.speaker == COMPOSED
    assert [each.version for each in records.every(registry)] == [record.version]
    assert pull(registry, asked, "latest", tmp_path / "pulled").joinpath("voice.json").is_file()
    aliases.promote(registry, record, "prod", by="ben")
    assert resolve(registry, names.parse(f"{asked}@prod")) == record


def test_both_forms_are_one_speaker_with_all_versions(old: Store, place: str, tmp_path: Path) -> None:
    registry = open_registry(place)
    before = records.versions(registry, COMPOSED)
    publish(make_voice(tmp_path / "new", "new", speaker=COMPOSED), registry)
    assert len(records.versions(registry, DECOMPOSED)) == len(before) + 1
    assert list(registry.folders()) == [COMPOSED]


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
def test_revocation_finds_both_forms_and_neither_comes_back(old: Store, place: str, tmp_path: Path, asked: str) -> None:
    publish(make_voice(tmp_path / "new", "new", speaker=COMPOSED), open_registry(place))
    for number, form in enumerate((COMPOSED, DECOMPOSED)):
        old.write(f"{revocation.RUNS}/{form}/run-{number}/a.wav", b"")
        old.write(f"{uploads.USED}/{form}/{number}.json", b'{"digests": ["aa"]}')
    old.write(f"{uploads.CONTENT}/aa/speech.wav", b"")
    done = revocation.revoke(old, asked, why="withdrawn", by="ben", artifacts=old)
    left = {trace.key for trace in old.traces()}
    assert done.after == () and all(key.startswith("_revoked/") for key in left)
    for form in (COMPOSED, DECOMPOSED):
        with pytest.raises(InputError, match="was revoked by ben"):
            publish(make_voice(tmp_path / f"again {form!a}", "again", speaker=form), open_registry(place))


def test_another_case_is_found_where_it_is_clear(place: str, tmp_path: Path) -> None:
    registry = open_registry(place)
    first = publish(make_voice(tmp_path / "a", speaker="Anna"), registry).version
    assert resolve(registry, names.parse("ANNA")).version == first
    assert records.known_as(registry, "anna") == "Anna"
    second = publish(make_voice(tmp_path / "b", "other", speaker="anna"), registry).version
    assert resolve(registry, names.parse("anna")).version == second
    with pytest.raises(InputError, match="ANNA has no version latest; .* did you mean 'Anna' or 'anna'"):
        resolve(registry, names.parse("ANNA"))


def test_two_names_of_one_voice_at_once_are_two_speakers(place: str, tmp_path: Path) -> None:
    folders = [make_voice(tmp_path / name, "same", speaker=name) for name in ("Anna", "anna")]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda folder: publish(folder, open_registry(place)), folders))
    registry = open_registry(place)
    for published in made:
        assert resolve(registry, names.parse(published.speaker)).version == published.version
        assert records.versions(registry, published.speaker) == [published.version]
    revocation.revoke(registry, "anna", why="withdrawn", by="ben")
    assert resolve(registry, names.parse("Anna@latest")).speaker == "Anna"


def test_a_revoked_speaker_does_not_come_back_in_another_case(place: str, tmp_path: Path) -> None:
    registry = open_registry(place)
    publish(make_voice(tmp_path / "a", speaker="anna"), registry)
    revocation.revoke(registry, "anna", why="withdrawn", by="ben")
    with pytest.raises(InputError, match="Anna differs in case alone from anna, who was revoked"):
        publish(make_voice(tmp_path / "b", "other", speaker="Anna"), registry)
    publish(make_voice(tmp_path / "c", "third", speaker="Anna B"), registry)


class WithoutCase(LocalStore):
    """A folder on a file system that does not tell names apart which differ in case alone, as on most laptops."""

    def _path(self, key: str) -> Path:
        path = self.root
        for part in key.split("/"):
            there = [each.name for each in path.iterdir()] if path.is_dir() else []
            path /= next((name for name in there if name.casefold() == part.casefold()), part)
        return path

    def list(self, prefix: str = "") -> Iterator[Entry]:
        for entry in super().list():
            if entry.key.casefold().startswith(prefix.casefold()):
                yield replace(entry, key=prefix + entry.key[len(prefix) :])


def test_names_that_are_one_folder_are_one_speaker(tmp_path: Path) -> None:
    registry = WithoutCase(tmp_path / "registry")
    first = publish(make_voice(tmp_path / "a", speaker="Anna"), registry).version
    with pytest.raises(InputError, match="anna and Anna are one folder"):
        publish(make_voice(tmp_path / "b", "other", speaker="anna"), registry)
    assert resolve(registry, names.parse("Anna")).version == first


def test_a_revocation_names_who_is_called_alike_and_stays(
    voicemill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, speaker in enumerate(("Anna", "anna", "Ben")):
        publish(make_voice(tmp_path / speaker, str(number), speaker=speaker), open_registry(tmp_path / "registry"))
    common = ("--registry", tmp_path / "registry", "--why", "x", "--by", "ben", "--yes")
    assert voicemill("voices", "revoke", "anna", *common) == 0
    said = capsys.readouterr().err
    assert "Anna is another name here, and was not revoked" in said and "Ben" not in said


def test_a_command_takes_the_other_case_and_says_so(
    voicemill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "registry"
    publish(make_voice(tmp_path / "a", speaker="Anna"), open_registry(place))
    assert voicemill("voices", "revoke", "anna", "--registry", place, "--why", "x", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "anna is stored as Anna" in said and "before: 0 objects" not in said
    assert voicemill("voices", "list", "ANNA", "--registry", place, "--json") == 0
    assert '"Anna"' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "a\nb", "a/b"])
def test_a_command_refuses_what_no_speaker_can_be_called(voicemill, tmp_path: Path, name: str) -> None:
    common = ("--registry", tmp_path)
    assert voicemill("voices", "revoke", name, *common, "--why", "x", "--dry-run") == 64
    assert voicemill("voices", "rollback", name, *common) == 64
