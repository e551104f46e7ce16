"""The registry's small JSON documents, and who wrote them when."""

from __future__ import annotations

import getpass
import json
import os
from datetime import UTC, datetime
from typing import Any

from voicemill.errors import InputError
from voicemill.storage import Store


def read(registry: Store, key: str) -> tuple[dict[str, Any], str] | None:
    """A document and its tag, or None where there is none.

    Raises:
        InputError: if it is no JSON object.
    """
    if registry.find(key) is None:
        return None
    data, tag = registry.read(key)
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{key} in the registry is damaged: it is no JSON object")
    return content, tag


def encode(content: dict[str, Any]) -> bytes:
    """A document as it is stored."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def now() -> str:
    """The time, as documents give it: UTC, to the microsecond, so that it sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def who() -> str:
    """Who acts: `$VOICEMILL_USER`, else the user of this machine."""
    named = os.environ.get("VOICEMILL_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
