"""Tell a whole model file from a damaged one by whatever is known of it."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voicemill.core import untrusted
from voicemill.core.digests import file_digest
from voicemill.models import catalogue, record
from voicemill.models.catalogue import Model, RemoteFile

State = Literal["ok", "unchecked", "missing", "corrupt"]
# audio-separator identifies VR weights by the MD5 of this many bytes at the end.
VR_TAIL = 10_000 * 1024


@dataclass(frozen=True)
class Finding:
    """What was found out about a file. `unchecked`: it is there, and nothing is known to hold it against."""

    model: Model
    file: RemoteFile
    state: State
    detail: str = ""


def verify(folder: Path, models: list[Model]) -> list[Finding]:
    """Check the files of models against the folder's record and the catalogue.

    Of a folder with models that were made here (toys, a base), those are checked, against the record alone.
    """
    recorded = record.read(folder)
    local = {path: entry for path, entry in recorded.items() if entry.is_local}
    if local:
        return [
            _verify(folder, Model(entry.model, entry.source, "", (), (), True), RemoteFile(path), entry)
            for path, entry in local.items()
        ]
    return [_verify(folder, model, file, recorded.get(file.path)) for model in models for file in model.files]


def _verify(folder: Path, model: Model, file: RemoteFile, entry: record.Entry | None) -> Finding:
    path = folder / file.path
    if not path.is_file():
        return Finding(model, file, "missing")
    if entry is not None:
        problem = mismatch(path, size=entry.size, sha256=entry.sha256)
        if problem:
            return Finding(model, file, "corrupt", f"changed since it was downloaded: {problem}")
    if entry is not None and entry.is_local:
        return Finding(model, file, "ok", entry.source)
    problem = against_catalogue(folder, file)
    if problem:
        return Finding(model, file, "corrupt", problem)
    checked = entry or file.sha256 or file.known_to
    return Finding(model, file, "ok") if checked else Finding(model, file, "unchecked", "no hash is known")


def against_catalogue(folder: Path, file: RemoteFile, path: Path | None = None) -> str:
    """Return what the catalogue says against a file, in words; empty if nothing.

    Args:
        folder: Models folder.
        file: The catalogue's entry.
        path: Where the content is, if not in its place yet.
    """
    path = path or folder / file.path
    problem = mismatch(path, size=file.size, sha256=file.sha256)
    if not problem and file.known_to and (folder / file.known_to).is_file():
        index = untrusted.read_json(folder / file.known_to, dict)
        if tail_md5(path) not in index:
            problem = f"its MD5 is not in {file.known_to}"
    return problem


def mismatch(path: Path, *, size: int | None = None, sha256: str | None = None, etag: str | None = None) -> str:
    """Return how a file differs from what is known of it, in words; empty if it does not.

    Args:
        path: The file.
        size: Bytes.
        sha256: Hash.
        etag: The hub's name of the content: the SHA-256 of a large file, the git blob hash of a small one. Other
            servers' are ignored.
    """
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        return f"{actual_size} bytes instead of {size}"
    hashes = {sha256, etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else None} - {None}
    actual = file_digest(path) if hashes else None
    for expected in hashes:
        if actual != expected:
            return f"SHA-256 {actual} instead of {expected}"
    if etag and re.fullmatch(r"[0-9a-f]{40}", etag) and git_blob(path) != etag:
        return f"git hash {git_blob(path)} instead of {etag}"
    return ""


def git_blob(path: Path) -> str:
    """Return the hash by which git names a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def tail_md5(path: Path) -> str:
    """Return the hash by which audio-separator knows VR weights."""
    with path.open("rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - VR_TAIL))
        return hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()


def in_place(folder: Path, models: list[Model]) -> list[Model]:
    """Return the models with those replaced that another one was put in place of (a smaller Whisper)."""
    recorded = record.read(folder)
    everything = {model.name: model for model in catalogue.models()}

    def really(model: Model) -> Model:
        names = {recorded[file.path].model for file in model.files if file.path in recorded}
        others = [everything[name] for name in names if name in everything and name != model.name]
        return others[0] if others else model

    return [really(model) for model in models]
