"""What the outputs of a task are like when it ends, so that a later run notices what was changed since.

Looking at the size and at the first and last block of every file is cheap enough to be done each time. It finds files
that were cut off, emptied or overwritten also where the time of change was put back; where the time differs the whole
file is read. A changed byte in the middle of a file of the same size and time is found by reading every file anyhow:
`voicemill run --verify`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicemill.core.folders import walk
from voicemill.engine.digests import Digests

BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Fingerprint:
    """One file.

    Attributes:
        size: In bytes.
        ends: Digest of the first and last `BLOCK_BYTES`, in hex.
        digest: SHA-256 of the whole content, in hex.
    """

    size: int
    ends: str
    digest: str


Fingerprints = dict[str, Fingerprint]
"""The files of an output by their names in it; an output that is itself a file has the name ""."""


def take(output: Path, digests: Digests) -> Fingerprints:
    """Return the fingerprints of an output's files."""
    return {
        name: Fingerprint(path.stat().st_size, _ends(path), digests.file(path)) for name, path in _files(output).items()
    }


def is_lost(output: Path, taken: Fingerprints) -> bool:
    """Whether nothing of an output is left: it is gone, emptied, or something of another kind is in its place."""
    if not output.exists() or output.is_dir() == ("" in taken):
        return True
    return bool(taken) and not _files(output)


def changes(output: Path, taken: Fingerprints, digests: Digests) -> Iterator[str]:
    """Return name what differs from how it was, one phrase for each file.

    Args:
        output: The output.
        taken: How it was.
        digests: What is remembered of a file that was changed is forgotten.
    """
    files = _files(output)
    for name, was in taken.items():
        path = files.get(name)
        if path is None:
            yield f"{name!r} is missing"
        elif not _is_as_it_was(path, was, digests):
            yield f"{(name or output.name)!r} was changed"
    yield from (f"{name!r} was added" for name in files if name not in taken)


def _is_as_it_was(path: Path, was: Fingerprint, digests: Digests) -> bool:
    if (path.stat().st_size, _ends(path)) == (was.size, was.ends) and digests.file(path) == was.digest:
        return True
    # What is remembered may be of other content with the same size and time.
    digests.forget(path)
    return digests.file(path) == was.digest


def _files(output: Path) -> dict[str, Path]:
    if output.is_file():
        return {"": output}
    return {found.name: found.path for found in walk(output) if not found.problem}


def _ends(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.blake2b(file.read(BLOCK_BYTES), digest_size=16)
        if file.seek(0, os.SEEK_END) > BLOCK_BYTES:
            file.seek(-BLOCK_BYTES, os.SEEK_END)
            digest.update(file.read())
    return digest.hexdigest()
