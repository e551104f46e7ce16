"""A transcribed run, as small as it can be, at any location."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from voicemill.audio.clip_names import name_of
from voicemill.dataset import clip_audio
from voicemill.proofread.edits import Edit
from voicemill.storage import is_remote, open_store

SECONDS = 2
LENGTH = SECONDS * 32_000


@dataclass(frozen=True)
class Made:
    """A run: its location, and the names of its clips in the order of the recording."""

    location: str
    clips: tuple[str, ...]


def make_run(
    location: str,
    scratch: Path,
    *,
    speaker: str = "anna",
    recordings: int = 2,
    each: int = 3,
    with_sound: bool = True,
    texts: Sequence[str] = (),
) -> Made:
    """Write a run with `recordings * each` clips of two seconds: every second clip is flagged.

    Args:
        location: Where the run goes.
        scratch: An empty folder to write in before things go to S3.
        speaker: Whose voice.
        recordings: How many recordings.
        each: How many clips of each, one right after the other.
        with_sound: Write the clips too.
        texts: Texts of the first clips.
    """
    folder = scratch / "run" if is_remote(location) else Path(location)
    rows: list[dict[str, Any]] = []
    for recording in range(recordings):
        for part in range(each):
            number = len(rows)
            clip = name_of(f"take{recording:03d}", part * LENGTH, (part + 1) * LENGTH)
            text = texts[number] if number < len(texts) else f"sentence number {number}"
            flags = ["low-confidence"] if number % 2 else []
            rows.append(
                {
                    "clip": clip,
                    "seconds": SECONDS,
                    "language": "en",
                    "text": text,
                    "confidence": 0.3 if flags else 0.9,
                    "source": "whisper",
                    "flags": flags,
                }
            )
            if with_sound:
                clip_audio.write(folder / "slice" / "clips" / clip, tone(number))
    transcripts = folder / "transcribe" / "transcripts"
    transcripts.mkdir(parents=True, exist_ok=True)
    (transcripts / "transcripts.json").write_text(json.dumps(rows, ensure_ascii=False))
    lines = [f"{row['clip']}|{speaker}|EN|{row['text']}\n" for row in rows]
    (transcripts / "transcripts.list").write_text("".join(lines))
    if is_remote(location):
        store = open_store(location)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                store.upload(file, file.relative_to(folder).as_posix())
    return Made(location, tuple(row["clip"] for row in rows))


def tone(number: int) -> np.ndarray:
    """Two seconds that differ from clip to clip and from sample to sample."""
    time = np.arange(LENGTH) / 32_000
    return (8000 * np.sin(2 * np.pi * (180 + 17 * number) * time) * (0.2 + time / SECONDS)).astype(np.int16)


def an_edit(action: str, clip: str, version: int = 0, **fields: Any) -> Edit:
    """An edit with an id of its own."""
    return Edit(id=uuid4().hex, action=action, clip=clip, version=version, **fields)  # pyright: ignore[reportArgumentType]
