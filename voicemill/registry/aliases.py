"""Aliases: names that point at a version, and move by conditional writes.

An alias is one document with its whole history, so that a move is one write. Of two who move it at once, one wins and
the other is told.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.registry import documents, names, records
from voicemill.registry.records import Record
from voicemill.storage import Conflict, Store

_TRIES = 20


@dataclass(frozen=True)
class Alias:
    """An alias as it is stored.

    Attributes:
        name: What it is called.
        version: What it points at.
        before: What it pointed at earlier and a rollback goes back to, the last one last.
        log: Every move: `version`, `at`, `by`, `why`, `id`.
        tag: Of the document, for the next conditional write.
    """

    name: str
    version: str
    before: tuple[str, ...]
    log: tuple[dict[str, Any], ...]
    tag: str


@dataclass(frozen=True)
class _Move:
    version: str
    at: str
    by: str
    why: str = ""
    id: str = ""


@dataclass(frozen=True)
class _Stored:
    version: str
    before: tuple[str, ...]
    log: tuple[_Move, ...]


def read(registry: Store, speaker: str, name: str) -> Alias | None:
    """Return an alias, or None where there is none.

    Raises:
        InputError: if it is damaged.
    """
    key = names.alias_key(speaker, name)
    found = documents.read(registry, key)
    if found is None:
        return None
    stored = documents.shaped(_Stored, found[0], key)
    if not all(map(names.is_version, (stored.version, *stored.before))):
        raise InputError(f"{display(key)} in the registry cannot be used: it names no version; {documents.DAMAGED}")
    return Alias(name, stored.version, stored.before, tuple(map(asdict, stored.log)), found[1])


def every(registry: Store, speaker: str) -> dict[str, Alias]:
    """Return a speaker's aliases by name.

    Raises:
        InputError: if one is damaged.
    """
    found = [read(registry, speaker, name) for name in _names(registry, speaker)]
    return {alias.name: alias for alias in found if alias}


def survey(registry: Store, speaker: str) -> tuple[dict[str, Alias], dict[str, str]]:
    """Return a speaker's aliases by name; and what is wrong with those that are damaged."""
    found: dict[str, Alias] = {}
    damaged: dict[str, str] = {}
    for name in _names(registry, speaker):
        try:
            alias = read(registry, speaker, name)
        except InputError as error:
            damaged[name] = str(error)
        else:
            found |= {name: alias} if alias else {}
    return found, damaged


def _names(registry: Store, speaker: str) -> list[str]:
    entries = registry.list(names.alias_key(speaker, "").removesuffix(".json"))
    return [entry.key.rpartition("/")[2].removesuffix(".json") for entry in entries]


def promote(registry: Store, record: Record, name: str, *, by: str, why: str = "") -> Alias:
    """Point an alias at a version.

    Args:
        registry: Where.
        record: The version.
        name: The alias, `prod`.
        by: Who does it.
        why: Reason, for the history.

    Raises:
        Conflict: if someone else moved it at the same time; says who and where to.
        InputError: if the version was deleted at the same time; the alias is what it was.
    """
    names.check_alias(name)
    before = read(registry, record.speaker, name)
    if before and before.version == record.version:
        return before
    stack = (*before.before, before.version) if before else ()
    moved = _move(registry, record.speaker, name, before, record.version, stack, by=by, why=why)
    if records.find(registry, record.speaker, record.version) is None:
        _undo(registry, record.speaker, before, moved)
        raise InputError(f"version {record.version} of {record.speaker} was deleted while it was promoted")
    return moved


def rollback(registry: Store, speaker: str, name: str, *, by: str, why: str = "") -> Alias:
    """Point an alias at what it was before; again, and it goes one further back.

    Raises:
        InputError: if the alias does not exist, or nothing before.
        Conflict: if someone else moved it at the same time.
    """
    now = read(registry, speaker, name)
    if now is None:
        raise InputError(f"{speaker} has no alias {name}")
    stack = list(now.before)
    while stack:
        version = stack.pop()
        if version != now.version and records.find(registry, speaker, version):
            return _move(registry, speaker, name, now, version, tuple(stack), by=by, why=why or "rollback")
    raise InputError(f"{name} of {speaker} has no earlier version that still exists")


def advance(registry: Store, record: Record) -> None:
    """Point `latest` at this version unless it is at a later one."""
    for _ in range(_TRIES):
        now = read(registry, record.speaker, names.LATEST)
        if now is not None:
            other = records.find(registry, record.speaker, now.version)
            if now.version == record.version or (other and other.published >= record.published):
                return
        try:
            _move(registry, record.speaker, names.LATEST, now, record.version, (), by=record.by, why="published")
            return
        except Conflict:
            continue
    raise Conflict(f"{names.LATEST} of {record.speaker} keeps being moved by others; try again")


def retreat(registry: Store, speaker: str, version: str, *, by: str) -> None:
    """Take `latest` away from a version that is deleted: to the one published before it, or away."""
    now = read(registry, speaker, names.LATEST)
    if now is None or now.version != version:
        return
    others = [record for record in records.every(registry, speaker) if record.version != version]
    if others:
        _move(registry, speaker, names.LATEST, now, others[-1].version, (), by=by, why=f"{version} deleted")
    else:
        registry.delete(names.alias_key(speaker, names.LATEST))


def _move(
    registry: Store,
    speaker: str,
    name: str,
    before: Alias | None,
    version: str,
    stack: tuple[str, ...],
    *,
    by: str,
    why: str,
) -> Alias:
    entry = {"version": version, "at": documents.now(), "by": by, "why": why, "id": uuid.uuid4().hex}
    log = (*before.log, entry) if before else (entry,)
    return _write(registry, speaker, before, Alias(name, version, stack, log, ""))


def _write(registry: Store, speaker: str, before: Alias | None, after: Alias) -> Alias:
    key = names.alias_key(speaker, after.name)
    data = documents.encode({"version": after.version, "before": after.before, "log": after.log})
    try:
        if before:
            registry.write(key, data, replaces=before.tag)
        else:
            registry.write(key, data, only_if_absent=True)
    except Conflict:
        there = read(registry, speaker, after.name)
        # An answer that was lost and a request that was sent again look like someone else's write.
        if there is None or there.log[-1:] != after.log[-1:]:
            who = f"{there.log[-1]['by']} moved it to {there.version}" if there else "somebody removed it"
            raise Conflict(
                f"{after.name} of {speaker} was not moved: {who} in the meantime; check that and decide again"
            ) from None
    written = read(registry, speaker, after.name)
    if written is None:
        raise Conflict(f"{after.name} of {speaker} was removed by someone else in the meantime")
    return written


def _undo(registry: Store, speaker: str, before: Alias | None, moved: Alias) -> None:
    if before is None:
        registry.delete(names.alias_key(speaker, moved.name))
    else:
        _write(registry, speaker, moved, before)
