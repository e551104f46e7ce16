"""`review/approved.json`: everything that a reviewer approved, for the stage `revise`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.errors import InputError
from voicemill.proofread.rows import Row

APPROVED = "approved.json"
FORMAT = 1


@dataclass(frozen=True)
class Approved:
    """What a reviewer approved.

    Attributes:
        speaker: Whose voice.
        transcripts: Digest of the transcripts that were reviewed; see `voicemill.proofread.rows.digest_of`.
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
        InputError: It is none.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("format") != FORMAT:
            raise InputError(f"{path} is of another version of voicemill; approve the review again")
        rows = tuple(map(Row.from_json, fields.pop("rows")))
        return Approved(
            **{**fields, "reviewers": tuple(fields["reviewers"]), "dropped": tuple(fields["dropped"])}, rows=rows
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no approved review ({error}); approve it in the page again") from error
