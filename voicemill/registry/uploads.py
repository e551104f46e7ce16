"""Which speakers use which uploads.

    uploads/sha256/<digest>/...             what was uploaded, by its content
    uploads/used/<speaker>/<digest>.json    the digests of one upload: of its listing and of its files

An upload that several speakers use (models, a script) stays when one of them is revoked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from voicemill.registry import documents, names
from voicemill.storage import Store

CONTENT = "uploads/sha256"
USED = "uploads/used"


def mark(artifacts: Store, speaker: str, digests: Sequence[str]) -> None:
    """Note that a speaker uses these uploads; before they are sent, so that a revocation finds what was begun.

    Args:
        artifacts: The bucket.
        speaker: Whose recordings, texts or models they are.
        digests: Names of the folders below `uploads/sha256`.
    """
    about = {"digests": sorted(set(digests)), "at": documents.now(), "by": documents.who()}
    name = hashlib.sha256("\n".join(about["digests"]).encode()).hexdigest()
    artifacts.write(f"{USED}/{names.check_speaker(speaker)}/{name}.json", documents.encode(about))


def of_no_other(artifacts: Store, speaker: str) -> list[str]:
    """Prefixes of the uploads that this speaker uses and no other, and of the speaker's own marks."""
    own: set[str] = set()
    others: set[str] = set()
    for entry in artifacts.list(f"{USED}/"):
        found = documents.read(artifacts, entry.key)
        whose = own if entry.key.startswith(f"{USED}/{speaker}/") else others
        whose |= set(found[0]["digests"]) if found else set()
    # The marks go last: as long as there is one, an interrupted revocation finds the rest.
    return [*(f"{CONTENT}/{digest}/" for digest in sorted(own - others)), f"{USED}/{speaker}/"]
