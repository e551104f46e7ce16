"""The content digests that folders, registries and caches record: SHA-256, in lower-case hex."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file's content.

    Args:
        path: The file.
        algorithm: Another algorithm of `hashlib`, for what others recorded.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def content_digest(content: str | bytes) -> str:
    """Digest of bytes, or of a text as UTF-8; a file name that is not UTF-8 counts with its bytes escaped."""
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    return hashlib.sha256(content).hexdigest()


def listing_digest(entries: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a folder's listing.

    Args:
        entries: Name below the folder and digest of each file, in the order that counts.
    """
    return content_digest("".join(f"{name}\0{digest}\n" for name, digest in entries))
