"""Digests of files and folders by content, remembered by (path, size, time of change) so that nothing is read twice.

The memory on disk is a cache and nothing more: where it is damaged it is recreated, where it cannot be used the run
goes on with one of its own.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from voicemill.core.digests import content_digest, file_digest
from voicemill.core.folders import walk
from voicemill.core.logs import get_logger

log = get_logger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TABLE = "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest TEXT)"
_FIND = "SELECT digest FROM files WHERE path = ? AND size = ? AND changed = ?"
_KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)"
# Errors that say nothing about the file's content: making it anew would not help, and might harm another run.
_NOT_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return content_digest(text)


def default_memory(fallback: Path) -> Path:
    """Return where digests are remembered across runs: `$VOICEMILL_CACHE`, else the user's cache folder.

    Args:
        fallback: Folder to use where that one cannot be written, as for a user without a home.
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("VOICEMILL_CACHE") or Path(home) / "voicemill")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return (folder if folder.is_dir() and os.access(folder, os.W_OK) else fallback) / "digests.sqlite"


class Digests:
    """Content digests with a memory on disk, which several runs may share.

    Args:
        memory: SQLite file, made if need be.
        verify: Read every file once in this process, whatever is remembered of it.
    """

    def __init__(self, memory: Path, *, verify: bool = False) -> None:
        self.verify = verify
        self._memory = memory
        self._lock = threading.Lock()
        self._read: set[tuple[str, int, int]] = set()
        try:
            self._database = _connect(memory)
        except sqlite3.Error as error:
            self._database = self._replacement(error)

    def tree(self, path: Path) -> str:
        """Return the digest of a file, or of a folder's files by relative name and content; hidden files count.

        Pipes, devices, dangling links and what may not be read count by what they are: they have no content to read.

        Raises:
            FileNotFoundError: if there is nothing at `path`.
        """
        if path.is_file():
            return self.file(path)
        if not path.is_dir():
            raise FileNotFoundError(path)
        return digest_of([(found.name, found.problem or self.file(found.path)) for found in walk(path)])

    def file(self, path: Path) -> str:
        """SHA-256 of a file's content."""
        status = path.stat()
        seen = (_name(path), status.st_size, status.st_mtime_ns)
        if not self.verify or seen in self._read:
            known = self._execute(_FIND, seen)
            if known and isinstance(known[0], str) and _SHA256.fullmatch(known[0]):
                return known[0]
        digest = file_digest(path)
        self._execute(_KEEP, (*seen, digest))
        self._read.add(seen)
        return digest

    def forget(self, path: Path) -> None:
        """Read a file anew when its digest is asked for next: its size and time do not tell that it was changed."""
        self._execute("DELETE FROM files WHERE path = ?", (_name(path),))

    def close(self) -> None:
        """Let go of the memory."""
        self._database.close()

    def _execute(self, statement: str, values: tuple[Any, ...]) -> Any:
        with self._lock:
            try:
                return self._database.execute(statement, values).fetchone()
            except sqlite3.Error as error:
                self._database.close()
                self._database = self._replacement(error)
                return self._database.execute(statement, values).fetchone()

    def _replacement(self, error: sqlite3.Error) -> sqlite3.Connection:
        """Return a memory that works, instead of one that an error was met in."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code not in _NOT_DAMAGE:
            log.warning("%s is damaged (%s) and is being rebuilt", self._memory, error)
            try:
                for suffix in ("", "-wal", "-shm", "-journal"):
                    self._memory.with_name(self._memory.name + suffix).unlink(missing_ok=True)
                return _connect(self._memory)
            except (OSError, sqlite3.Error) as again:
                error = again if isinstance(again, sqlite3.Error) else sqlite3.OperationalError(str(again))
        log.warning("%s cannot be used (%s); digests are remembered for this run only", self._memory, error)
        return _connect(":memory:")


def _name(path: Path) -> str:
    """Return a path as SQLite can hold it, also one that is not UTF-8."""
    return str(path.resolve()).encode(errors="backslashreplace").decode()


def _connect(memory: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(memory, timeout=60, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(_TABLE)
        database.execute(_FIND, ("", 0, 0)).fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database
