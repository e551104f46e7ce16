"""Who may speak with which voice: keys, as `Authorization: Bearer KEY` shows them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError

SHORTEST_KEY = 16
"""Characters; a shorter one, such as what a full disk leaves of a file, is nobody's."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OF_NOTHING = frozenset(hashlib.sha256(nothing).hexdigest() for nothing in (b"", b"\n", b"\r\n"))
_HINT = "see docs/how-to/serving.md"


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        name: Whose it is, for the log.
        voices: Speakers that it may use; `*` and `?` stand for any characters and any one.
        sha256: Its digest in hex: all that is kept of it.
    """

    name: str
    voices: tuple[str, ...]
    sha256: str = ""

    def may_use(self, speaker: str) -> bool:
        """Return whether a speaker's voice was given to it."""
        return any(fnmatchcase(speaker, pattern) for pattern in self.voices)


EVERYBODY = Key("everybody", ("*",))
"""Who comes where no keys are asked for."""


def find(keys: Sequence[Key] | None, authorization: str) -> Key | None:
    """Return the key that a request shows in its header `Authorization`; None if it is nobody's.

    Args:
        keys: All of them; None asks for none.
        authorization: The header, or an empty text.
    """
    if keys is None:
        return EVERYBODY
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer" or len(shown.strip()) < SHORTEST_KEY:
        return None
    digest = hashlib.sha256(shown.strip().encode(errors="surrogatepass")).hexdigest()
    # All are compared, so that the time taken tells nothing.
    found = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    return found[0] if found else None


def read_keys(path: Path) -> list[Key]:
    """Read the file of keys.

    keys:
      - name: shop
        key: ...              # or key-sha256: its digest in hex
        voices: [anna, "npc-*"]

    Raises:
        InputError: The file says something else, or a key is too short.
    """
    entries = untrusted.read_yaml(path, dict, hint=_HINT).get("keys")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{display(path)} has no list of keys; {_HINT}")
    return [_key(entry) for entry in entries]


def _key(entry: dict[str, Any]) -> Key:
    name, voices = entry.get("name"), entry.get("voices")
    are_texts = isinstance(voices, list) and all(isinstance(voice, str | int) for voice in voices)
    if entry.keys() - {"name", "key", "key-sha256", "voices"} or not are_texts or not isinstance(name, str) or not name:
        raise InputError(f"key {display(name)}: name, voices (a list) and key or key-sha256 can be given")
    key, digest = entry.get("key"), entry.get("key-sha256")
    if key is not None:
        if len(str(key).strip()) < SHORTEST_KEY:
            raise InputError(f"key {display(name)}: a key has {SHORTEST_KEY} characters or more")
        digest = hashlib.sha256(str(key).strip().encode()).hexdigest()
    if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)) or digest in _OF_NOTHING:
        raise InputError(f"key {display(name)}: give a key, or as key-sha256 its 64 digits of hex in lower case")
    return Key(name, tuple(map(str, voices or ())), digest)
