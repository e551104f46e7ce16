"""Which speakers use which uploads.

    uploads/sha256/<digest>/...                 what was uploaded, by its content
    uploads/used/<digest>/<speaker>/mark.json   a mark for each speaker who uses it

An upload that several speakers use (models, a script) stays when one of them is revoked.
"""

from __future__ import annotations

from voicemill.registry import documents
from voicemill.storage import Store

CONTENT = "uploads/sha256"
USED = "uploads/used"


def mark(artifacts: Store, digest: str, speaker: str) -> None:
    """Note that a speaker uses an upload; before the upload, so that a revocation finds what was begun."""
    artifacts.write(
        f"{USED}/{digest}/{speaker}/mark.json", documents.encode({"at": documents.now(), "by": documents.who()})
    )


def of_no_other(artifacts: Store, speaker: str) -> list[str]:
    """Prefixes of the uploads, and their marks, that this speaker uses and no other."""
    speakers: dict[str, set[str]] = {}
    for entry in artifacts.list(f"{USED}/"):
        digest, name, *_ = entry.key.removeprefix(f"{USED}/").split("/")
        speakers.setdefault(digest, set()).add(name)
    prefixes: list[str] = []
    for digest, who in sorted(speakers.items()):
        if who == {speaker}:
            prefixes += [f"{CONTENT}/{digest}/", f"{USED}/{digest}/"]
        elif speaker in who:
            prefixes.append(f"{USED}/{digest}/{speaker}/")
    return prefixes
