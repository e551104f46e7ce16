"""Clips and transcripts as they were approved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.audio import reading, slicing
from voicemill.audio.clip_names import place_of
from voicemill.audio.recordings import overlay
from voicemill.audio.resampling import resample_ffmpeg
from voicemill.contract import Ledger, check_stop
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.core.files import link_or_copy
from voicemill.core.safe_paths import safe_join
from voicemill.dataset import clip_audio, labels
from voicemill.dataset.review_file import read_approved
from voicemill.dataset.transcript_rows import Row, digest_of, read_rows

REVIEW = "review.json"


@dataclass(frozen=True)
class Decided:
    """What to train on.

    Attributes:
        rows: Clips with their words, as recorded.
        dropped: The other clips, each with the reason.
        edited: Names of clips whose words or bounds a person changed.
        about: Who approved what when; None where nobody did.
    """

    rows: tuple[Row, ...]
    dropped: Mapping[str, str]
    edited: frozenset[str] = frozenset()
    about: dict[str, Any] | None = None


def reviewed(heard: Path, review: Path) -> Decided:
    """Return what a reviewer approved.

    Args:
        heard: Folder of the transcripts that were reviewed.
        review: approved.json.

    Raises:
        InputError: The review is of other transcripts.
    """
    approved = read_approved(review)
    if approved.transcripts != digest_of(heard):
        raise InputError(f"{review.name} reviews other transcripts; open `voicemill proofread` and approve these")
    before = {row.clip: row for row in read_rows(heard)}
    kept = [place_of(row.clip) for row in approved.rows]

    def reason(clip: str) -> str:
        recording, start, end = place_of(clip)
        inside = any(other == recording and first < end and last > start for other, first, last in kept)
        return "merged or split in proofreading" if inside else "dropped in proofreading"

    edited = {
        row.clip
        for row in approved.rows
        if (old := before.get(row.clip)) is None or (old.language, old.text) != (row.language, row.text)
    }
    about = {
        "reviewer": approved.reviewer,
        "reviewers": list(approved.reviewers),
        "time": approved.time,
        "number": approved.number,
        "counts": approved.counts,
        "transcripts": approved.transcripts,
    }
    return Decided(approved.rows, {clip: reason(clip) for clip in approved.dropped}, frozenset(edited), about)


def unreviewed(heard: Path, *, drop_flagged: bool) -> Decided:
    """Return what the recogniser wrote, where nobody approved anything."""
    rows = read_rows(heard)
    doubtful = {row.clip for row in rows if row.flags and not row.checked} if drop_flagged else set()
    reasons = dict.fromkeys(sorted(doubtful), "flagged, and not checked in time")
    return Decided(tuple(row for row in rows if row.clip not in doubtful), reasons)


class Sources:
    """Where the sound of clips comes from.

    Args:
        sliced: Clips that were cut.
        levelled: Recordings; None if the run has none.
    """

    def __init__(self, sliced: Path, levelled: Path | None) -> None:
        self._sliced = sliced
        self._names = sorted(path.name for path in sliced.glob("*.wav"))
        self._recordings = overlay(levelled)
        # Rows come as recorded, so that one recording at a time is in memory.
        self._samples = lru_cache(maxsize=1)(self._read)

    def put(self, clip: str, target: Path) -> bool:
        """Write a clip's file; True if it had to be cut.

        Raises:
            InputError: There is nothing to cut it from.
        """
        existing = safe_join(self._sliced, clip)
        if existing.is_file():
            link_or_copy(existing, target)
            return False
        recording, start, end = place_of(clip)
        if recording in self._recordings:
            # As slice does it, so that a clip is the same whoever chose its bounds.
            samples = slicing.normalise(self._samples(recording)[start:end])
            clip_audio.write(target, slicing.to_int16(samples))
        else:
            clip_audio.write(target, clip_audio.pcm(clip, self._names, lambda name: self._sliced / name))
        return True

    def _read(self, recording: str) -> np.ndarray:
        audio = reading.read(self._recordings[recording])
        return resample_ffmpeg(reading.to_mono(audio.samples)[0], audio.rate, slicing.RATE)


def write(
    ledger: Ledger, decided: Decided, sources: Sources, clips: Path, transcripts: Path, speaker: str
) -> list[Row]:
    """Write clips and transcripts, with a line in the ledger for each clip.

    Returns:
        The rows that were written.
    """
    written: list[Row] = []
    recut = 0
    for row in ledger.each(decided.rows, name=lambda row: row.clip, label="revising"):
        check_stop()
        with ledger.item(row.clip):
            if not any(character.isalnum() for character in row.text):
                raise InputError("it has no words")
            is_cut = sources.put(row.clip, safe_join(clips, row.clip))
            recut += is_cut
            written.append(row)
            ledger.keep(row.clip, seconds=row.seconds, edited=row.clip in decided.edited, recut=is_cut)
    for clip, reason in decided.dropped.items():
        ledger.drop(clip, reason)
    name = speaker.replace("|", "_")
    labels.write(
        transcripts / "transcripts.list", (labels.Label(row.clip, name, row.language, row.text) for row in written)
    )
    _write_json(transcripts / "transcripts.json", [_fields(row) for row in written])
    digest = file_digest(transcripts / "transcripts.list")
    about = decided.about or {"reviewer": None}
    _write_json(transcripts / REVIEW, {**about, "digest": digest})
    edited = sum(row.clip in decided.edited for row in written)
    ledger.note(reviewer=about["reviewer"] or "", edited=edited, recut=recut, digest=digest)
    return written


def _fields(row: Row) -> dict[str, Any]:
    fields = row.as_json()
    if row.checked:
        # A person's word is trusted like a label of the user's own.
        fields |= {"confidence": 1.0, "flags": []}
    return {name: value for name, value in fields.items() if name != "dropped"}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
