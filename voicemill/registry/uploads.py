"""Which speakers use which uploads.

    uploads/sha256/<digest>/...             what was uploaded, by its content
    uploads/used/<speaker>/<digest>.json    the digests of one upload: of its listing and of its files

An upload that several speakers use (models, a script) stays when one of them is revoked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicemill.core import logs
from voicemill.core.digests import content_digest
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.registry import documents, names
from voicemill.storage import Store

CONTENT = "uploads/sha256"
USED = "uploads/used"
log = logs.get_logger(__name__)


def mark(artifacts: Store, speaker: str, digests: Sequence[str]) -> None:
    """Note that a speaker uses these uploads; before they are sent, so that a revocation finds what was begun.

    Args:
        artifacts: The bucket.
        speaker: Whose recordings, texts or models they are.
        digests: Names of the folders below `uploads/sha256`.
    """
    about = {"digests": sorted(set(digests)), "at": documents.now(), "by": documents.who()}
    name = content_digest("\n".join(about["digests"]))
    artifacts.write(f"{USED}/{names.check_speaker(speaker)}/{name}.json", documents.encode(about))


def of_no_other(artifacts: Store, speaker: str) -> list[str]:
    """Prefixes of the uploads that this speaker uses and no other, and of the speaker's own marks.

    A damaged mark of someone else protects nothing; one of the speaker's own is left for `damaged_marks`.
    """
    own: set[str] = set()
    others: set[str] = set()
    marks: list[str] = []
    for entry in artifacts.list(f"{USED}/"):
        is_own = entry.key.startswith(f"{USED}/{speaker}/")
        try:
            digests = _digests(artifacts, entry.key)
        except InputError as error:
            log.warning("unknown purpose of an upload: %s", error)
            continue
        (own if is_own else others).update(digests)
        if is_own:
            marks.append(entry.key)
    # The marks go last: as long as there is one, an interrupted revocation finds the rest.
    kept = damaged_marks(artifacts, speaker)
    return [*(f"{CONTENT}/{digest}/" for digest in sorted(own - others)), *(marks if kept else [f"{USED}/{speaker}/"])]


def damaged_marks(artifacts: Store, speaker: str) -> list[str]:
    """Return the keys of the speaker's marks that do not tell any more which uploads they are of."""
    found: list[str] = []
    for entry in artifacts.list(f"{USED}/{speaker}/"):
        try:
            _digests(artifacts, entry.key)
        except InputError:
            found.append(entry.key)
    return found


@dataclass(frozen=True)
class _Mark:
    digests: tuple[str, ...]
    at: str = ""
    by: str = ""


def _digests(artifacts: Store, key: str) -> tuple[str, ...]:
    found = documents.read(artifacts, key)
    digests = documents.shaped(_Mark, found[0], key).digests if found else ()
    if not all(digest.isalnum() for digest in digests):
        # An empty one would stand for all uploads there are.
        raise InputError(f"{display(key)} cannot be used: it holds something else than digests")
    return digests
