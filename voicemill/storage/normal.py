"""A store in which a key is found in whichever Unicode normal form it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from voicemill.core.names import forms, normal
from voicemill.storage.store import Entry, Store, Trace


def normal_store(store: Store) -> Store:
    """Return a store whose keys hold names of people, so that each is found however it was written.

    Listings give keys in NFC. What is there already is read and written where it is; what is not is written in NFC. A
    key without accents has one form, and costs no request more.

    Args:
        store: Where everything is kept.
    """
    return store if isinstance(store, _NormalStore) else _NormalStore(store)


class _NormalStore:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored: dict[str, str] = {}  # by its NFC, a key that is stored in a form of its own

    def list(self, prefix: str = "") -> Iterator[Entry]:
        if prefix.isascii():
            # In the order of keys as they are stored, which for other than NFC is not that of what is given.
            yield from map(self._as_normal, self._store.list(prefix))
            return
        found: dict[str, Entry] = {}
        for form in forms(prefix):
            for entry in map(self._as_normal, self._store.list(form)):
                found.setdefault(entry.key, entry)
        yield from (found[key] for key in sorted(found))

    def folders(self, prefix: str = "") -> Iterator[str]:
        names = {normal(name) for form in forms(prefix) for name in self._store.folders(form)}
        yield from sorted(names)

    def find(self, key: str) -> Entry | None:
        for form in self._forms(key):
            if entry := self._store.find(form):
                return Entry(key, entry.size, entry.tag)
        return None

    def download(self, key: str, target: Path) -> None:
        self._store.download(self._where(key), target)

    def upload(self, source: Path, key: str) -> bool:
        return self._store.upload(source, self._where(key))

    def read(self, key: str) -> tuple[bytes, str]:
        return self._store.read(self._where(key))

    def write(self, key: str, data: bytes, *, replaces: str | None = None, only_if_absent: bool = False) -> str:
        return self._store.write(self._where(key), data, replaces=replaces, only_if_absent=only_if_absent)

    def delete(self, key: str) -> None:
        for form in self._forms(key):
            self._store.delete(form)

    def traces(self, prefix: str = "") -> Iterator[Trace]:
        for form in forms(prefix):
            yield from self._store.traces(form)

    def erase(self, traces: Iterable[Trace]) -> None:
        self._store.erase(traces)

    def _as_normal(self, entry: Entry) -> Entry:
        key = normal(entry.key)
        if key != entry.key:
            self._stored.setdefault(key, entry.key)
        return Entry(key, entry.size, entry.tag)

    def _forms(self, key: str) -> tuple[str, ...]:
        stored = self._stored.get(normal(key))
        return tuple(dict.fromkeys((*forms(key), *([stored] if stored else []))))

    def _where(self, key: str) -> str:
        """Return the key under which it is stored, or is to be."""
        every = self._forms(key)
        return every[0] if len(every) == 1 else next(filter(self._store.find, every), every[0])
