"""Revocation: everything of a speaker is found, removed for good, and shown to be gone.

It takes the speaker's part of the registry and, of the artifacts that runs leave (a bucket's or a folder's
`voices/<speaker>/...`, `uploads/` and `batches/`), the runs' artifacts with the state of trainings, what was uploaded
for this speaker and for no other, and what batches keep of the speaker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voicemill.errors import TryAgain
from voicemill.registry import documents, names, records, tombstones, uploads
from voicemill.storage import Conflict, Store, Trace

RUNS = "voices"
BATCHES = "batches"
_ROUNDS = 3


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
    """The places where something of a speaker may lie."""
    names.check_speaker(speaker)
    places = [Place("registry", registry, (f"{speaker}/",))]
    if artifacts is not None:
        own = uploads.of_no_other(artifacts, speaker)
        kept = (f"{BATCHES}/{batch}/speakers/{speaker}.json" for batch in artifacts.folders(f"{BATCHES}/"))
        places.append(Place("artifacts", artifacts, (f"{RUNS}/{speaker}/", *own, *kept)))
    return places


def listing(places: list[Place]) -> tuple[tuple[str, Trace], ...]:
    """Everything that lies in these places."""
    return tuple((place.title, trace) for place in places for trace in place.traces())


def revoke(registry: Store, speaker: str, *, why: str, by: str, artifacts: Store | None = None) -> Revocation:
    """Remove everything of a speaker, and refuse the voice from now on.

    The tombstone comes first, so that nothing is published behind the search. A revocation that was interrupted is
    finished by the next one; the tombstone keeps who began it.

    Args:
        registry: The registry.
        speaker: Whose voice.
        why: The reason, kept.
        by: Who does it, kept.
        artifacts: Where runs leave their artifacts: a bucket or a folder.

    Raises:
        TryAgain: if something is left, because S3 is away or somebody goes on writing; names it.
    """
    places = search(registry, speaker, artifacts)
    before = listing(places)
    files = _own_files(registry, speaker)
    key = names.tombstone_key(speaker)
    record = {"speaker": speaker, "by": by, "at": documents.now(), "why": why, "finished": None, "removed": {}}
    try:
        registry.write(key, documents.encode(record), only_if_absent=True)
    except Conflict:
        record = tombstones.find(registry, speaker) or record
    for digest in files:
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
            f"{len(after)} objects of {speaker} are left or came again, such as {trace.key} ({title}); "
            "stop the speaker's runs and revoke once more"
        )
    removed = Counter(record["removed"])
    for _, trace in before:
        removed.update({f"{trace.kind}s": 1, "bytes": trace.size})
    record |= {"finished": documents.now(), "removed": dict(removed)}
    registry.write(key, documents.encode(record))
    return Revocation(speaker, record, before, after)


def _own_files(registry: Store, speaker: str) -> set[str]:
    """Digests of the speaker's weights and reference recordings; other files may be the same for others."""
    files = (record.files for record in records.every(registry, speaker))
    return {digest for each in files for name, digest in each.items() if name.endswith((".safetensors", ".wav"))}
