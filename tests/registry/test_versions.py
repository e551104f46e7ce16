"""A registry keeps versions, moves aliases, and is whole whatever happens in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.registry.conftest import make_voice
from voicemill.core.errors import InputError, UsageError
from voicemill.registry import (
    aliases,
    delete,
    garbage,
    names,
    promote,
    publish,
    pull,
    records,
    resolve,
    rollback,
    version_of,
    versions,
)
from voicemill.storage import Conflict, Store, open_store


def resolved(registry: Store, text: str) -> str:
    return resolve(registry, names.parse(text)).version


def stack(registry: Store, version: str, name: str = "prod", by: str = "ann") -> None:
    promote(registry, resolve(registry, names.Reference("anna", version)), name, by=by)


def check_whole(registry: Store, tmp_path: Path) -> None:
    """Every version that is shown, and every alias, leads to a whole voice."""
    for number, record in enumerate(records.every(registry)):
        pull(registry, record.speaker, record.version, tmp_path / f"pulled {number} {threading.get_ident()}")
    for speaker in {record.speaker for record in records.every(registry)}:
        for alias in aliases.every(registry, speaker).values():
            assert alias.version in versions(registry, speaker), f"{alias.name} points at nothing"


def test_versions_are_found_by_alias_name_and_first_digits(registry: Store, three: list[str], tmp_path: Path) -> None:
    assert sorted(three) == versions(registry, "anna")
    assert [record.version for record in records.every(registry)] == three, "in the order of publication"
    assert resolved(registry, "anna") == resolved(registry, "anna@latest") == three[-1]
    assert resolved(registry, f"anna@{three[0][:6]}") == three[0]
    folder = pull(registry, "anna", "latest", tmp_path / "back")
    assert version_of(folder).version == three[-1]
    for text, words in (("anna@prod", "no version prod"), ("ann", "has no version"), ("anna@00", "no version 00")):
        with pytest.raises(InputError, match=words):
            resolved(registry, text)


def test_publishing_an_old_version_again_leaves_latest_alone(registry: Store, three: list[str], tmp_path: Path) -> None:
    publish(tmp_path / "one", registry)
    assert resolved(registry, "anna") == three[-1]


@pytest.mark.parametrize("name", ["_aliases", "a/b", "../x", "", "a@b", ".hidden"])
def test_a_speaker_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = make_voice(tmp_path / "voice", speaker=name)
    with pytest.raises(InputError, match="the speaker"):
        publish(folder, open_store(tmp_path / "registry"))
    assert not (tmp_path / "registry").exists()


def test_rollback_goes_back_one_promotion_at_a_time(registry: Store, three: list[str]) -> None:
    for version in three:
        stack(registry, version)
    moved = rollback(registry, "anna", "prod", by="ben", why="it lisps")
    assert moved.version == three[1] == resolved(registry, "anna@prod")
    assert rollback(registry, "anna", "prod", by="ben").version == three[0]
    with pytest.raises(InputError, match="no earlier version"):
        rollback(registry, "anna", "prod", by="ben")
    log = [(entry["version"], entry["by"]) for entry in rollback_log(registry)]
    assert log == [(version, "ann") for version in three] + [(three[1], "ben"), (three[0], "ben")]
    stack(registry, three[2])
    assert rollback(registry, "anna", "prod", by="ben").version == three[0]


def rollback_log(registry: Store) -> tuple[dict[str, Any], ...]:
    alias = aliases.read(registry, "anna", "prod")
    assert alias
    return alias.log


@pytest.mark.parametrize("name", ["0123456789abcdef", "Prod", "a/b", ""])
def test_an_alias_cannot_hide_a_version_or_leave_its_folder(tmp_path: Path, name: str) -> None:
    registry = open_store(tmp_path / "registry")
    version = publish(make_voice(tmp_path / "voice"), registry).version
    with pytest.raises(UsageError, match="cannot be an alias"):
        stack(registry, version, name)


class Together:
    """A store whose readers of an alias wait for one another, so that all have read before any writes."""

    def __init__(self, store: Store, readers: int) -> None:
        self.store, self.barrier, self.met = store, threading.Barrier(readers), threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def find(self, key: str) -> Any:
        found = self.store.find(key)
        if "_aliases" in key and not getattr(self.met, "already", False) and found is None:
            self.met.already = True
            self.barrier.wait(timeout=20)
        return found


def test_of_two_promoters_one_wins_and_the_other_is_told_by_whom(registry: Store, three: list[str]) -> None:
    wanted = {"ann": records.find(registry, "anna", three[0]), "ben": records.find(registry, "anna", three[1])}
    shared: Any = Together(registry, len(wanted))

    def attempt(who: str) -> str:
        record = wanted[who]
        assert record
        try:
            return promote(shared, record, "prod", by=who).version
        except Conflict as error:
            return f"lost: {error}"

    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(wanted, pool.map(attempt, wanted), strict=True))
    lost = [who for who, outcome in outcomes.items() if outcome.startswith("lost")]
    assert len(lost) == 1
    winner = "ben" if lost == ["ann"] else "ann"
    assert outcomes[winner] == resolved(registry, "anna@prod")
    assert f"{winner} moved it to {outcomes[winner]}" in outcomes[lost[0]]
    assert [entry["by"] for entry in rollback_log(registry)] == [winner]


def test_many_publications_at_once_end_with_latest_at_the_last(registry: Store, tmp_path: Path) -> None:
    folders = [make_voice(tmp_path / str(number), str(number)) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda folder: publish(folder, registry), folders))
    assert len(versions(registry, "anna")) == 6
    assert resolved(registry, "anna") == records.every(registry)[-1].version
    check_whole(registry, tmp_path)


def test_a_version_is_deleted_for_good_but_not_while_it_is_promoted(
    registry: Store, three: list[str], tmp_path: Path
) -> None:
    stack(registry, three[1])
    for version in three[1:]:
        record = records.find(registry, "anna", version)
        assert record
        if version == three[1]:
            with pytest.raises(InputError, match="is prod"):
                delete(registry, record, by="ann")
        else:
            delete(registry, record, by="ann")
    assert versions(registry, "anna") == sorted(three[:2])
    assert list(registry.traces(f"anna/{three[2]}/")) == []
    assert resolved(registry, "anna") == three[1], "latest went back"
    check_whole(registry, tmp_path)


def test_a_promotion_and_a_deletion_at_once_leave_no_alias_that_points_at_nothing(
    registry: Store, three: list[str], tmp_path: Path
) -> None:
    record = records.find(registry, "anna", three[0])
    assert record

    def attempt(work: Any) -> bool:
        try:
            work()
            return True
        except InputError:
            return False

    jobs = [lambda: promote(registry, record, "prod", by="ann"), lambda: delete(registry, record, by="ben")]
    with ThreadPoolExecutor(2) as pool:
        promoted, deleted = pool.map(attempt, jobs)
    assert not (promoted and deleted)
    check_whole(registry, tmp_path)


def test_what_interrupted_publications_left_is_collected_and_nothing_else(
    registry: Store, three: list[str], tmp_path: Path
) -> None:
    registry.upload(tmp_path / "one" / "gpt.safetensors", "anna/00112233445566aa/gpt.safetensors")
    assert garbage.collect(registry, older_than=3600) == [], "it may still be running"
    assert [trace.key for trace in garbage.collect(registry, older_than=-60)] == [
        "anna/00112233445566aa/gpt.safetensors"
    ]
    assert list(registry.traces("anna/00112233445566aa/")) == []
    assert versions(registry, "anna") == sorted(three)
    check_whole(registry, tmp_path)


def test_a_record_of_a_later_format_is_refused(registry: Store, three: list[str]) -> None:
    registry.write(names.record_key("anna", three[0]), b'{"format": 2}')
    with pytest.raises(InputError, match="format 2"):
        resolved(registry, f"anna@{three[0]}")
