"""The registry's small JSON documents, and who wrote them when."""

from __future__ import annotations

import getpass
import json
import os
from datetime import UTC, datetime
from typing import Any, TypeVar

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.storage import Store

MOST_BYTES = 4 * 2**20
DAMAGED = "someone else wrote it or it is damaged: restore it, or delete it"

T = TypeVar("T")


def read(registry: Store, key: str) -> tuple[dict[str, Any], str] | None:
    """Return a document and its tag, or None where there is none.

    Raises:
        InputError: if it is damaged.
    """
    found = registry.find(key)
    if found is None:
        return None
    if found.size > MOST_BYTES:
        raise InputError(f"{key} in the registry is damaged: it has {found.size} bytes")
    data, tag = registry.read(key)
    return untrusted.parse_json(data, f"{key} in the registry", dict[str, Any], hint=DAMAGED), tag


def shaped(kind: type[T], fields: dict[str, Any], key: str) -> T:
    """Return what a document says, as a dataclass.

    Raises:
        InputError: if a field is missing, unknown or of another type.
    """
    return untrusted.shaped(kind, fields, f"{key} in the registry", hint=DAMAGED)


def encode(content: dict[str, Any]) -> bytes:
    """Return a document as it is stored."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def now() -> str:
    """Return the time, as documents give it: UTC, to the microsecond, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def who() -> str:
    """Return who acts: `$VOICEMILL_USER`, else the user of this machine."""
    named = os.environ.get("VOICEMILL_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
