"""The registry of voices: immutable versions, named by the digest of their content.

    <registry>/<speaker>/<version>/voice.json ...    the voice folder as published
    <registry>/<speaker>/<version>/_SUCCESS.json     written last: without it the version is not there

The same voice published again is the same version, so nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from voicemill.errors import InputError
from voicemill.storage import Conflict, Store, file_digest
from voicemill.voice import read_voice

_DONE = "_SUCCESS.json"
_VERSION_DIGITS = 16


@dataclass(frozen=True)
class PublishedVersion:
    """A version in the registry; `files` are SHA-256 digests by name."""

    speaker: str
    version: str
    files: dict[str, str]


def version_of(folder: Path) -> PublishedVersion:
    """The version that a voice folder is, by the names and contents of its files.

    Raises:
        InputError: if the folder is not a whole voice.
    """
    speaker = read_voice(folder).speaker
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    rows = "".join(f"{name}\0{digest}\n" for name, digest in files.items())
    return PublishedVersion(speaker, hashlib.sha256(rows.encode()).hexdigest()[:_VERSION_DIGITS], files)


def publish(folder: Path, registry: Store) -> PublishedVersion:
    """Put a voice folder into the registry as an immutable version.

    Interrupted, it leaves nothing that `versions` would show; tried again, it sends only what is missing.

    Raises:
        InputError: if the folder is not a whole voice.
        TryAgain: if the registry cannot be reached.
    """
    published = version_of(folder)
    place = f"{published.speaker}/{published.version}"
    for name in published.files:
        registry.upload(folder / name, f"{place}/{name}")
    receipt = json.dumps({"files": published.files}, indent=2).encode()
    # The version's name is its content's digest: whoever published it first published the same.
    with suppress(Conflict):
        registry.write(f"{place}/{_DONE}", receipt, only_if_absent=True)
    return published


def versions(registry: Store, speaker: str) -> list[str]:
    """The versions of a speaker's voice that are whole, sorted by name."""
    keys = (entry.key.split("/") for entry in registry.list(f"{speaker}/"))
    return sorted(key[1] for key in keys if len(key) == 3 and key[2] == _DONE)


def pull(registry: Store, speaker: str, version: str, target: Path) -> Path:
    """Bring a version to this machine and check it.

    Raises:
        InputError: if there is no such version, or what came is not what was published.
    """
    if version not in versions(registry, speaker):
        raise InputError(f"there is no version {version} of {speaker}")
    receipt = json.loads(registry.read(f"{speaker}/{version}/{_DONE}")[0])
    for name in receipt["files"]:
        registry.download(f"{speaker}/{version}/{name}", target / name)
    if version_of(target).version != version:
        raise InputError(f"version {version} of {speaker} is not what was published; somebody changed the registry")
    return target
