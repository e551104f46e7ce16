"""S3 and local folders behind one small interface.

A location is a local path, `s3://bucket/prefix`, or `s3:///prefix` in the bucket that `$S3_BUCKET` names. `fetch`
brings it here, `open_store` reads and writes it, `fingerprint` tells whether its content is what it was.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voicemill.core import files as atomic_files
from voicemill.core import untrusted
from voicemill.core.digests import content_digest, file_digest, listing_digest
from voicemill.core.errors import InputError, may
from voicemill.core.folders import special_kind
from voicemill.core.safe_paths import safe_join, what_is_wrong
from voicemill.storage.local import LocalStore
from voicemill.storage.normal import normal_store
from voicemill.storage.store import Conflict, Entry, Store, Trace

__all__ = [
    "Conflict",
    "Entry",
    "Store",
    "Trace",
    "cache_folder",
    "exists",
    "fetch",
    "fingerprint",
    "is_remote",
    "normal_store",
    "open_store",
]


def is_remote(location: str | Path) -> bool:
    """Return whether a location is on S3."""
    return str(location).startswith("s3://")


def open_store(location: str | Path) -> Store:
    """Return the store at a location; nothing is read yet and a local folder need not exist."""
    if not is_remote(location):
        return LocalStore(Path(location))
    from voicemill.storage.s3 import S3Store

    bucket, prefix = _bucket_and_key(str(location))
    return S3Store(bucket, prefix)


def fetch(location: str | Path, cache: Path | None = None) -> Path:
    """Bring what is at a location to this machine.

    A local path is returned as it is. From S3, an object comes as a file and a prefix as a folder; what an earlier
    fetch brought and is unchanged there is not brought again. Processes that share a cache take turns.

    Args:
        location: Local path or `s3://bucket/key`.
        cache: Folder for what comes from S3; by default `cache_folder`.

    Raises:
        InputError: if there is nothing at the location, or something that cannot be read: for permissions, or because
            it is a named pipe or a device, from which a read might never return.
        TryAgain: if S3 cannot be reached.
    """
    if not is_remote(location):
        path = Path(location).expanduser()
        if not path.exists():
            raise InputError(f"{path} does not exist; name a folder, a file or an s3:// address")
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is {special_kind(path)}; name a folder, a file or an s3:// address")
        if not may(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            raise InputError(f"{path} cannot be read: permission denied; change its permissions")
        return path
    folder = (cache or cache_folder()) / "s3" / content_digest(str(location))[:16]
    content = folder / "content"
    with _turn(folder):
        store, entries, is_object = _remote(str(location))
        index_file = folder / "index.json"
        index = _index(index_file)
        targets = [safe_join(content, entry.key, portable=False) for entry in entries]
        for entry, target in zip(entries, targets, strict=True):
            if index.get(entry.key) != entry.tag or not target.exists() or target.stat().st_size != entry.size:
                store.download(entry.key, target)
        wanted = {entry.key: entry.tag for entry in entries}
        for key in index.keys() - wanted.keys():
            safe_join(content, key, portable=False).unlink(missing_ok=True)
        if index != wanted:
            atomic_files.write_text(index_file, json.dumps(wanted))
    return content / entries[0].key if is_object else content


@contextmanager
def _turn(folder: Path) -> Generator[None, None, None]:
    """Hold a folder of the cache: whoever writes a file removes what others have begun of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _index(path: Path) -> dict[str, str]:
    """Tags of the files fetched before, by key; empty if the index is damaged, so that everything is fetched again."""
    try:
        found = untrusted.read_json(path, dict[str, Any])
    except InputError:
        return {}
    return {key: tag for key, tag in found.items() if isinstance(tag, str) and not what_is_wrong(key, portable=False)}


def cache_folder() -> Path:
    """Return where what comes from S3 is kept: `$VOICEMILL_CACHE`, else `~/.cache/voicemill`."""
    return Path(os.environ.get("VOICEMILL_CACHE") or Path.home() / ".cache" / "voicemill")


def exists(location: str | Path) -> bool:
    """Return whether there is anything at a location: a file, a folder, an object, or objects below a prefix.

    Raises:
        TryAgain: if S3 cannot be reached.
    """
    if not is_remote(location):
        return Path(location).expanduser().exists()
    bucket, key = _bucket_and_key(str(location))
    parent, _, name = key.rpartition("/")
    below = next(iter(open_store(f"s3://{bucket}/{key}").list()), None)
    return below is not None or bool(name and open_store(f"s3://{bucket}/{parent}").find(name))


def fingerprint(location: str | Path) -> str:
    """Return a digest of everything at a location: names and content, not times.

    Raises:
        InputError: if there is nothing at the location.
    """
    if is_remote(location):
        return listing_digest((entry.key, entry.tag) for entry in _remote(str(location))[1])
    path = fetch(location)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return listing_digest((file.relative_to(path).as_posix(), file_digest(file)) for file in files)


def _remote(location: str) -> tuple[Store, list[Entry], bool]:
    """Return the store below an s3:// location, its objects, and whether the location names a single object."""
    from voicemill.storage.s3 import S3Store

    bucket, key = _bucket_and_key(location)
    entries = list(S3Store(bucket, key).list())
    if entries:
        return S3Store(bucket, key), entries, False
    parent, _, name = key.rpartition("/")
    store = S3Store(bucket, parent)
    entry = store.find(name) if name else None
    if entry is None:
        raise InputError(f"nothing found at {location}")
    return store, [entry], True


def _bucket_and_key(location: str) -> tuple[str, str]:
    parts = urlsplit(location, allow_fragments=False)
    bucket = parts.netloc or os.environ.get("S3_BUCKET")
    if not bucket:
        raise InputError(f"{location} names no bucket; write s3://bucket/prefix, or set S3_BUCKET")
    return bucket, parts.path.strip("/")
