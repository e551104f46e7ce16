"""A folder as a store."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voicemill.core import files as atomic_files
from voicemill.core.digests import content_digest, file_digest
from voicemill.core.errors import InputError
from voicemill.core.safe_paths import safe_join
from voicemill.storage.store import Conflict, Entry, Trace


class LocalStore:
    """Objects are files below `root`; conditional writes hold a lock on the folder, so that processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self, prefix: str = "") -> Iterator[Entry]:
        for key, path in self._files(prefix):
            if not path.name.startswith("."):
                about = path.stat()
                # A list of large files must not read them all.
                yield Entry(key, about.st_size, f"{about.st_mtime_ns}-{about.st_ino}")

    def folders(self, prefix: str = "") -> Iterator[str]:
        folder = self._path(prefix)
        entries = folder.iterdir() if folder.is_dir() else ()
        return iter(sorted(path.name for path in entries if path.is_dir() and not path.name.startswith(".")))

    def find(self, key: str) -> Entry | None:
        path = self._path(key)
        return Entry(key, path.stat().st_size, file_digest(path)) if path.is_file() else None

    def download(self, key: str, target: Path) -> None:
        self._copy(self._existing(key), target)

    def upload(self, source: Path, key: str) -> bool:
        target = self._path(key)
        if target.is_file() and file_digest(target) == file_digest(source):
            return False
        with self._lock():
            self._copy(source, target)
        return True

    def read(self, key: str) -> tuple[bytes, str]:
        data = self._existing(key).read_bytes()
        return data, content_digest(data)

    def write(self, key: str, data: bytes, *, replaces: str | None = None, only_if_absent: bool = False) -> str:
        path = self._path(key)
        with self._lock():
            before = self.find(key)
            if only_if_absent and before:
                raise Conflict(f"{path} already exists")
            if replaces is not None and (before is None or before.tag != replaces):
                raise Conflict(f"{path} was changed by someone else")
            with atomic_files.atomic(path, is_folder=False) as partial:
                partial.write_bytes(data)
        return content_digest(data)

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def traces(self, prefix: str = "") -> Iterator[Trace]:
        for key, path in self._below(prefix):
            # A link is what it is, wherever it leads; an empty folder has a name that may say something.
            is_left = path.is_symlink() or path.is_file() or not any(path.iterdir())
            if is_left and path != self._lock_file:
                about = path.lstat()
                kind = "unfinished upload" if atomic_files.is_partial(path) else "object"
                yield Trace(key, kind, about.st_size if path.is_file() else 0, about.st_mtime)

    def erase(self, traces: Iterable[Trace]) -> None:
        with self._lock():
            for trace in traces:
                folder, _, name = trace.key.rpartition("/")
                path = self._path(folder) / name
                if path.is_symlink() or not path.is_dir():
                    path.unlink(missing_ok=True)
                    path = path.parent
                # Empty folders go too; one that is not empty stays, with all above it.
                with suppress(OSError):
                    while path != self.root:
                        path.rmdir()
                        path = path.parent

    @property
    def _lock_file(self) -> Path:
        return self.root / ".lock"

    def _files(self, prefix: str) -> Iterator[tuple[str, Path]]:
        return ((key, path) for key, path in self._below(prefix) if path.is_file())

    def _below(self, prefix: str) -> Iterator[tuple[str, Path]]:
        """Keys and paths of all files and folders, in the order of keys; only the folder that the prefix names is
        searched.
        """
        folder = self._path(prefix.rpartition("/")[0])
        found = ((path.relative_to(self.root).as_posix(), path) for path in folder.rglob("*"))
        return ((key, path) for key, path in sorted(found) if key.startswith(prefix))

    def _path(self, key: str) -> Path:
        """Return where a key or a prefix, which may be empty or end with /, lies."""
        key = key.removesuffix("/")
        return safe_join(self.root, key, portable=False) if key else self.root

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise InputError(f"{path} does not exist")
        return path

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with atomic_files.atomic(target, is_folder=False) as partial:
            shutil.copyfile(source, partial)

    @contextmanager
    def _lock(self) -> Generator[None, None, None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
