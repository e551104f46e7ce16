"""What is left of a revoked speaker: a record of who, when and why, which refuses to take the voice back."""

from __future__ import annotations

from typing import Any

from voicemill.core.errors import InputError
from voicemill.core.names import Names
from voicemill.registry import documents, names, records
from voicemill.registry.records import PublishedVersion
from voicemill.storage import Store


def find(registry: Store, speaker: str) -> dict[str, Any] | None:
    """Return the speaker's tombstone, or None."""
    found = documents.read(registry, names.tombstone_key(speaker))
    return found[0] if found else None


def is_there(registry: Store, speaker: str) -> bool:
    """Return whether the speaker was revoked, also where what the tombstone says is damaged."""
    return registry.find(names.tombstone_key(speaker)) is not None


def refuse(registry: Store, speaker: str) -> None:
    """Refuse whatever is to be done with a revoked speaker's voice.

    Raises:
        InputError: if the speaker was revoked; says by whom, when and why.
    """
    tombstone = find(registry, speaker)
    if tombstone:
        by, at, why = (tombstone.get(name) for name in ("by", "at", "why"))
        raise InputError(f"{speaker} was revoked by {by} on {at}: {why}. The voice cannot be published or used")


def refuse_alike(registry: Store, speaker: str) -> None:
    """Refuse a new speaker whose name differs from a revoked one's in case alone: it is the same person, or confusing.

    Raises:
        InputError: if there is such a tombstone, and the registry has no version of this speaker from before.
    """
    keys = (entry.key.removeprefix(names.REVOKED) for entry in registry.list(names.REVOKED))
    revoked = Names(key.removesuffix(".json") for key in keys if "/" not in key)
    if (alike := revoked.alike(speaker)) and not records.versions(registry, speaker):
        hint = "if it is another person, give a name that differs in more than case"
        raise InputError(f"{speaker} differs in case alone from {alike[0]}, who was revoked; {hint}")


def refuse_files(registry: Store, published: PublishedVersion) -> None:
    """Refuse a voice that holds a file of a revoked speaker, whatever it is called now.

    Raises:
        InputError: if it does.
    """
    for name, digest in published.files.items():
        if registry.find(names.revoked_file_key(digest)):
            raise InputError(f"{name} of {published.speaker} belongs to a speaker who was revoked")
