"""Digests of files and folders by content, remembered by (path, size, time of change) so that nothing is read twice."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def default_memory(fallback: Path) -> Path:
    """Where digests are remembered across runs: `$VOICEMILL_CACHE`, else the user's cache folder.

    Args:
        fallback: Folder to use where that one cannot be written, as for a user without a home.
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("VOICEMILL_CACHE") or Path(home) / "voicemill")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return (folder if os.access(folder, os.W_OK) else fallback) / "digests.sqlite"


class Digests:
    """Content digests with a memory on disk, which several runs may share.

    Args:
        memory: SQLite file, made if need be.
    """

    def __init__(self, memory: Path) -> None:
        self._database = sqlite3.connect(memory, timeout=60, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest TEXT)"
        )

    def tree(self, path: Path) -> str:
        """Digest of a file, or of a folder's files by relative name and content; hidden files count.

        Raises:
            FileNotFoundError: if there is nothing at `path`.
        """
        if path.is_file():
            return self.file(path)
        if not path.is_dir():
            raise FileNotFoundError(path)
        entries: list[tuple[str, str]] = []
        for folder, folders, files in os.walk(path, followlinks=True):
            folders.sort()
            inside = Path(folder)
            entries += [(str((inside / name).relative_to(path)), self.file(inside / name)) for name in sorted(files)]
        return digest_of(entries)

    def file(self, path: Path) -> str:
        """SHA-256 of a file's content."""
        status = path.stat()
        seen = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        with self._lock:
            query = "SELECT digest FROM files WHERE path = ? AND size = ? AND changed = ?"
            known = self._database.execute(query, seen).fetchone()
        if known:
            return known[0]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*seen, digest))
        return digest
