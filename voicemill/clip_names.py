"""Names of clips, `<recording>_<start>_<end>.wav`: where a clip lies in its recording, in samples at 32 kHz."""

from __future__ import annotations

from pathlib import PurePosixPath

RATE = 32_000


def name_of(recording: str, start: int, end: int) -> str:
    """The name of the clip that is cut from a recording at samples `[start, end)`."""
    return f"{recording}_{start:010d}_{end:010d}.wav"


def place_of(clip: str) -> tuple[str, int, int]:
    """Recording, first sample and end that a clip's name tells; `(stem, 0, 0)` where it tells nothing."""
    stem = PurePosixPath(clip).stem
    parts = stem.rsplit("_", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return parts[0], int(parts[1]), int(parts[2])
    return stem, 0, 0
