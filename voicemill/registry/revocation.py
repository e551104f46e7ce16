"""Revocation: everything of a speaker is found, removed for good, and shown to be gone.

It takes the speaker's part of the registry and, of the artifacts that runs leave (a bucket's or a folder's
`voices/<speaker>/...`, `uploads/`, `batches/` and `tasks/`), the runs' artifacts with the state of trainings, what was
uploaded for this speaker and for no other, what batches keep of the speaker, and the records by which a run takes over
what an earlier one made.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.contract.reuse import TASKS
from voicemill.core import logs
from voicemill.core.digests import file_digest
from voicemill.core.display import display
from voicemill.core.errors import InputError, TryAgain
from voicemill.core.json_values import is_object
from voicemill.registry import documents, names, records, tombstones, uploads
from voicemill.storage import Conflict, Store, Trace, normal_store

RUNS = "voices"
BATCHES = "batches"
_ROUNDS = 3
_OWN = (".safetensors", ".wav")
log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Place:
    """A store that is searched, and what it is called in the listing."""

    title: str
    store: Store
    prefixes: tuple[str, ...]

    def traces(self) -> Iterator[Trace]:
        """Everything of the speaker that is kept there."""
        for prefix in self.prefixes:
            yield from self.store.traces(prefix)


@dataclass(frozen=True)
class Revocation:
    """What was found and what is left: `(place, trace)` before and after."""

    speaker: str
    tombstone: dict[str, Any]
    before: tuple[tuple[str, Trace], ...]
    after: tuple[tuple[str, Trace], ...]


def search(registry: Store, speaker: str, artifacts: Store | None) -> list[Place]:
    """Return the places where something of a speaker may lie."""
    speaker, registry = names.check_speaker(speaker), normal_store(registry)
    places = [Place("registry", registry, (f"{speaker}/",))]
    if artifacts is not None:
        artifacts = normal_store(artifacts)
        own = uploads.of_no_other(artifacts, speaker)
        kept = (f"{BATCHES}/{batch}/speakers/{speaker}.json" for batch in artifacts.folders(f"{BATCHES}/"))
        runs = (f"{RUNS}/{speaker}/", f"{TASKS}/{RUNS}/{speaker}/")
        places.append(Place("artifacts", artifacts, (*runs, *own, *kept)))
    return places


def listing(places: list[Place]) -> tuple[tuple[str, Trace], ...]:
    """Everything that lies in these places."""
    return tuple((place.title, trace) for place in places for trace in place.traces())


def revoke(registry: Store, speaker: str, *, why: str, by: str, artifacts: Store | None = None) -> Revocation:
    """Remove everything of a speaker, and refuse the voice from now on.

    The tombstone comes first, before anything is searched or read, so that nothing is published behind the search and
    no damaged record keeps the voice alive. A revocation that was interrupted is finished by the next one; the
    tombstone keeps who began it.

    Args:
        registry: The registry.
        speaker: Whose voice.
        why: The reason, kept.
        by: Who does it, kept.
        artifacts: Where runs leave their artifacts: a bucket or a folder.

    Raises:
        TryAgain: if something is left, because S3 cannot be reached or somebody goes on writing; names it.
        InputError: if all is removed but uploads that a damaged mark does not name any more.
    """
    speaker, registry = names.check_speaker(speaker), normal_store(registry)
    artifacts = normal_store(artifacts) if artifacts is not None else None
    record = _bury(registry, speaker, why, by)
    places = search(registry, speaker, artifacts)
    before = listing(places)
    for digest in _own_files(registry, speaker):
        registry.write(names.revoked_file_key(digest), documents.encode({"speaker": speaker}))
    after = before
    for _ in range(_ROUNDS):
        for place in places:
            place.store.erase(list(place.traces()))
        after = listing(places)
        if not after:
            break
    if after:
        title, trace = after[0]
        raise TryAgain(
            f"{len(after)} objects of {speaker} remain or were recreated, such as {trace.key} ({title}); "
            "stop the speaker's runs and revoke again"
        )
    removed: Counter[str] = Counter(record["removed"])
    for _, trace in before:
        removed.update({f"{trace.kind}s": 1, "bytes": trace.size})
    record |= {"finished": documents.now(), "removed": dict(removed)}
    registry.write(names.tombstone_key(speaker), documents.encode(record))
    if artifacts is not None and (damaged := uploads.damaged_marks(artifacts, speaker)):
        raise InputError(
            f"{display(damaged[0])} is damaged, so it is not known which uploads were made for {speaker}; all else is "
            f"removed. Look for the speaker's files below {uploads.CONTENT}, delete them and this mark"
        )
    return Revocation(speaker, record, before, after)


def _bury(registry: Store, speaker: str, why: str, by: str) -> dict[str, Any]:
    """Write the tombstone, unless an earlier revocation did; gives what it says."""
    record: dict[str, Any] = {
        "speaker": speaker,
        "by": by,
        "at": documents.now(),
        "why": why,
        "finished": None,
        "removed": {},
    }
    key = names.tombstone_key(speaker)
    try:
        registry.write(key, documents.encode(record), only_if_absent=True)
        return record
    except Conflict:
        try:
            earlier = tombstones.find(registry, speaker) or {}
        except InputError as error:
            log.warning("the tombstone is being rewritten: %s", error)
            earlier = {}
    if not is_object(earlier.get("removed")):
        registry.write(key, documents.encode(record))
        return record
    return record | earlier


def _own_files(registry: Store, speaker: str) -> set[str]:
    """Digests of the speaker's weights and reference recordings; other files may be the same for others."""
    found, damaged = records.survey(registry, speaker)
    files = {digest for record in found for name, digest in record.files.items() if name.endswith(_OWN)}
    with tempfile.TemporaryDirectory() as folder:
        # Where the record does not tell, the files themselves do.
        for place in (names.version_place(one.speaker, one.version) for one in damaged):
            for entry in registry.list(place):
                if entry.key.endswith(_OWN):
                    registry.download(entry.key, Path(folder) / "file")
                    files.add(file_digest(Path(folder) / "file"))
    return files
