"""The append-only record of a review: who changed what when.

Entries are numbered from 1 without a gap, and an entry can only be put at the next number: of two writers one gets the
place and the other is told. That is all that concurrency rests on, on a laptop and on S3 alike.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from voicemill.core.errors import InputError, TryAgain
from voicemill.core.untrusted import parse_json, shaped
from voicemill.proofread.edits import Change
from voicemill.storage import Conflict, Store

_DAMAGED = "the review is damaged: put it back from a backup, or move it away to begin a new one"
_PACK = "packed.jsonl"
PACK_EVERY = 100


@dataclass(frozen=True)
class Entry:
    """One change.

    Attributes:
        number: Its place in the log, from 1.
        id: Of the edit, as the page chose it.
        reviewer: Who.
        time: When, ISO 8601 in UTC.
        action: What; see `voicemill.proofread.edits.Edit`, and "approve", "carry-over".
        changes: The clips that it changed.
        details: Whatever else it says.
    """

    number: int
    id: str
    reviewer: str
    time: str
    action: str
    changes: tuple[Change, ...] = ()
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    def line(self) -> str:
        """As one line of JSON."""
        fields = {**vars(self), "changes": [change.as_json() for change in self.changes]}
        return json.dumps(fields, ensure_ascii=False) + "\n"

    @classmethod
    def from_line(cls, line: str | bytes, name: object = "the review's log") -> Entry:
        """Return an entry as `line` wrote it.

        Args:
            line: The line.
            name: What errors call the log.

        Raises:
            InputError: It is damaged.
        """
        return shaped(cls, parse_json(line, name, dict[str, Any], hint=_DAMAGED), name, hint=_DAMAGED)


class Log(Protocol):
    """Where entries are kept."""

    def after(self, number: int) -> Iterator[Entry]:
        """Entries with a higher number, in order."""
        ...

    def read(self, number: int) -> Entry | None:
        """Return the entry of this number."""
        ...

    def append(self, entry: Entry) -> bool:
        """Put an entry at its number for good; False if that place is taken."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class SqliteLog:
    """A log in a file. What `append` returned from is on the disk: a killed process or a power cut loses nothing.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS log "
                "(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, line TEXT NOT NULL)"
            )
            for action in ("UPDATE", "DELETE"):
                self._database.execute(
                    f"CREATE TRIGGER IF NOT EXISTS no_{action.lower()} BEFORE {action} ON log"
                    " BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
                )

    def after(self, number: int) -> Iterator[Entry]:
        with self._errors():
            select = "SELECT line FROM log WHERE number > ? ORDER BY number"
            rows = self._database.execute(select, (number,)).fetchall()
        return (Entry.from_line(line, self._path) for (line,) in rows)

    def read(self, number: int) -> Entry | None:
        with self._errors():
            row = self._database.execute("SELECT line FROM log WHERE number = ?", (number,)).fetchone()
        return Entry.from_line(row[0], self._path) if row else None

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """What SQLite says, as a sentence: a locked or full disk may be better later, a damaged file will not be."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise TryAgain(f"the review {self._path} cannot be opened at the moment ({error})") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path} cannot be used ({error}); {_DAMAGED}") from error

    def append(self, entry: Entry) -> bool:
        try:
            self._database.execute("INSERT INTO log VALUES (?, ?, ?)", (entry.number, entry.id, entry.line()))
        except sqlite3.IntegrityError:
            return False
        except sqlite3.OperationalError as error:
            raise TryAgain(f"the review cannot be written at the moment ({error})") from error
        return True

    def close(self) -> None:
        self._database.close()


class ObjectLog:
    """A log of one object an entry, each written only where there is none yet. The first hundreds are also kept packed
    in one object, so that a long review opens with few requests; losing that object loses nothing.

    Args:
        store: Where the run is.
        prefix: Folder of the log in it.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix.strip("/")

    def after(self, number: int) -> Iterator[Entry]:
        if number == 0:
            for entry in self._packed():
                yield entry
                number = entry.number
        while (entry := self.read(number + 1)) is not None:
            yield entry
            number = entry.number

    def read(self, number: int) -> Entry | None:
        key = self._key(number)
        try:
            return Entry.from_line(self._store.read(key)[0])
        except InputError:
            # Absent, refused, or written at this very moment.
            return Entry.from_line(self._store.read(key)[0]) if self._store.find(key) else None

    def append(self, entry: Entry) -> bool:
        try:
            self._store.write(self._key(entry.number), entry.line().encode(), only_if_absent=True)
        except Conflict:
            return False
        if entry.number % PACK_EVERY == 0:
            lines = "".join(each.line() for each in self.after(0))
            self._store.write(f"{self._prefix}/{_PACK}", lines.encode())
        return True

    def close(self) -> None:
        """Nothing is held open."""

    def _packed(self) -> list[Entry]:
        key = f"{self._prefix}/{_PACK}"
        if self._store.find(key) is None:
            return []
        return [Entry.from_line(line) for line in self._store.read(key)[0].splitlines()]

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:010d}.json"
