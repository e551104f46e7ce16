"""What may be called what in the registry, and where it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from voicemill.contract.declaration import Checked
from voicemill.core.errors import InputError, UsageError
from voicemill.core.names import normal, shown, speaker_problem

DONE = "_SUCCESS.json"
POLICY = "_policy.json"
SIGNATURE = "model.sig"
REVOKED = "_revoked/"
LATEST = "latest"
VERSION_DIGITS = 16

_ALIAS = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")


@dataclass(frozen=True)
class Reference:
    """A voice as a user names it: `anna`, `anna@prod`, `anna@0123456789abcdef` or the version's first digits."""

    speaker: str
    name: str = LATEST


def parse(text: str) -> Reference:
    """Read `speaker` or `speaker@name`.

    Raises:
        UsageError: if it is neither.
    """
    speaker, at, name = text.partition("@")
    if (at and not name) or speaker_problem(speaker):
        raise UsageError(f"{text!r} names no voice: write SPEAKER, SPEAKER@ALIAS or SPEAKER@VERSION")
    return Reference(normal(speaker), name or LATEST)


def is_reference(text: str) -> bool:
    """Return whether a voice is named as in a registry, and not by its folder or s3:// address."""
    return "/" not in text and not Path(text).exists()


def check_speaker(name: str) -> str:
    """Return a speaker's name that can be a folder of the registry, in the form in which names are compared.

    Raises:
        InputError: if it cannot.
    """
    if problem := speaker_problem(name):
        raise InputError(f"the speaker {shown(name)} {problem}")
    return normal(name)


def check_alias(name: str) -> str:
    """Return a name that can be an alias.

    Raises:
        UsageError: if it cannot; a version's name would hide the version.
    """
    if not _ALIAS.fullmatch(name) or _VERSION.fullmatch(name):
        raise UsageError(f"{name!r} cannot be an alias: use small letters, digits and -, beginning with a letter")
    return name


def is_version(name: str) -> bool:
    """Return whether a name has the form of a version."""
    return bool(_VERSION.fullmatch(name))


def version_place(speaker: str, version: str) -> str:
    """Prefix of a version's files."""
    return f"{speaker}/{version}/"


def record_key(speaker: str, version: str) -> str:
    """Return the key of a version's record."""
    return f"{version_place(speaker, version)}{DONE}"


def alias_key(speaker: str, alias: str) -> str:
    """Return the key of an alias."""
    return f"{speaker}/_aliases/{alias}.json"


def tombstone_key(speaker: str) -> str:
    """Return the key of what is left of a revoked speaker."""
    return f"{REVOKED}{speaker}.json"


def revoked_file_key(digest: str) -> str:
    """Return the key that says that a file with this SHA-256 belonged to a revoked speaker."""
    return f"{REVOKED}files/{digest}.json"


SpeakerName = Annotated[str, Checked(check_speaker)]
"""A stage's parameter that is the name of a speaker."""

AliasName = Annotated[str, Checked(check_alias)]
"""A stage's parameter that is the name of an alias."""
