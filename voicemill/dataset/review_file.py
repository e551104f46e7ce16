"""`review/approved.json`: everything that a reviewer approved, for the stage `apply-review`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.audio.clip_names import check_clip
from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.dataset.transcript_rows import Row

APPROVED = "approved.json"
FORMAT = 1
_HINT = "approve it in the page again"


@dataclass(frozen=True)
class Approved:
    """What a reviewer approved.

    Attributes:
        speaker: Whose voice.
        transcripts: Digest of the transcripts that were reviewed; see `voicemill.dataset.transcript_rows.digest_of`.
        reviewer: Who approved.
        reviewers: Everybody who changed something or approved.
        time: When, ISO 8601 in UTC.
        number: Number of the log's entry.
        counts: See `voicemill.proofread.review.Counts`.
        rows: Clips to train on, as recorded.
        dropped: Clips that were dropped, or went into others by merging and splitting.
    """

    speaker: str
    transcripts: str
    reviewer: str
    reviewers: tuple[str, ...]
    time: str
    number: int
    counts: dict[str, Any]
    rows: tuple[Row, ...]
    dropped: tuple[str, ...]


def read_approved(path: Path) -> Approved:
    """Read approved.json.

    Raises:
        InputError: It is none, or names clips that are not plain file names.
    """
    fields = untrusted.read_json(path, dict, hint=_HINT)
    if fields.pop("format", None) != FORMAT:
        raise InputError(
            f"{display(path)} was written by another version of voicemill, or is not an approved review; {_HINT}"
        )
    approved = untrusted.shaped(Approved, fields, path, hint=_HINT)
    for clip in (*(row.clip for row in approved.rows), *approved.dropped):
        check_clip(clip, f"{display(path)} cannot be used: it")
    return approved
