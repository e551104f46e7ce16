"""What voicemill asks of a place that keeps files: a local folder or an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from voicemill.core.errors import TryAgain


class Conflict(TryAgain):
    """Someone else wrote the object in the meantime; read it again and decide anew."""


@dataclass(frozen=True)
class Entry:
    """One stored object: its key relative to the store, size in bytes, and a tag that changes with its content.

    Tags from `list` are only to be compared with tags from `list`.
    """

    key: str
    size: int
    tag: str


@dataclass(frozen=True)
class Trace:
    """Anything that a store still keeps under a key, also what `list` does not show.

    Attributes:
        key: Relative to the store.
        kind: An object as it is listed, or what is left of one: versions before it in a bucket that keeps versions,
            the marker that hides them, a transfer that was not finished.
        size: In bytes; 0 where the store does not say.
        modified: When it came, in seconds since 1970.
        version: The store's own name for it, where the key is not enough.
    """

    key: str
    kind: Literal["object", "earlier version", "delete marker", "unfinished upload"]
    size: int
    modified: float
    version: str = ""


class Store(Protocol):
    """Objects under keys with `/` between their parts. Every write is atomic: a reader sees the old or the new whole.

    All methods raise `TryAgain` where the place cannot be reached, `InputError` where it refuses.
    """

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Return objects whose key starts with `prefix`, in the order of keys."""
        ...

    def folders(self, prefix: str = "") -> Iterator[str]:
        """Return the names of the folders right below a prefix (empty, or with / at its end), in order."""
        ...

    def find(self, key: str) -> Entry | None:
        """Return the object of exactly this key."""
        ...

    def download(self, key: str, target: Path) -> None:
        """Copy an object to a local file, whole or not at all."""
        ...

    def upload(self, source: Path, key: str) -> bool:
        """Store a local file unless the same content is there already; True if it had to be sent."""
        ...

    def read(self, key: str) -> tuple[bytes, str]:
        """Return a small object's content and tag. Raises `InputError` if there is none."""
        ...

    def write(self, key: str, data: bytes, *, replaces: str | None = None, only_if_absent: bool = False) -> str:
        """Store a small object and return its tag.

        Args:
            key: Where to.
            data: The content.
            replaces: Write only over the object with this tag, else raise `Conflict`.
            only_if_absent: Write only where there is nothing yet, else raise `Conflict`.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; no error if there is none."""
        ...

    def traces(self, prefix: str = "") -> Iterator[Trace]:
        """Everything that is kept under keys that start with `prefix`; contents are not read."""
        ...

    def erase(self, traces: Iterable[Trace]) -> None:
        """Remove these for good; what is already gone is not an error."""
        ...
