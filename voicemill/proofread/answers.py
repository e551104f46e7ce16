"""What the server tells the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from voicemill.dataset.transcript_rows import Row
from voicemill.proofread.edits import Conflict
from voicemill.proofread.review import Review


def shown(review: Review, row: Row) -> dict[str, Any]:
    """Return a clip, its version, and the clip that it can be merged with."""
    other = review.following(row.clip)
    following = other and {"clip": other.clip, "version": review.versions.get(other.clip, 0), "text": other.text}
    return {**row.as_json(), "version": review.versions.get(row.clip, 0), "following": following}


def progress(review: Review) -> dict[str, Any]:
    """Return how far a review is; part of every answer about it."""
    approved = review.approved
    return {
        "number": review.number,
        "counts": asdict(review.counts()),
        "approved": {"number": approved.number, "reviewer": approved.reviewer, "time": approved.time}
        if approved
        else None,
    }


def conflicting(review: Review, conflict: Conflict) -> dict[str, Any]:
    """Return the clips that someone else changed first: as they are, by whom and when."""
    clips: dict[str, Any] = {}
    for clip in conflict.clips:
        row, last = review.rows.get(clip), review.last_change(clip)
        clips[clip] = {
            "row": row and shown(review, row),
            "version": review.versions.get(clip, 0),
            "reviewer": last.reviewer if last else "",
            "time": last.time if last else "",
            "action": last.action if last else "",
        }
    return {"error": "conflict", "message": str(conflict), "clips": clips, **progress(review)}


def attachment(name: str) -> dict[str, str]:
    """Headers of a download under any name."""
    return {"content-disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}"}
