"""Names of clips, `<recording>_<start>_<end>.wav`: where a clip lies in its recording, in samples at 32 kHz.

Here is what a stage's declaration needs of clips: importing it takes no extra.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.safe_paths import what_is_wrong

RATE = 32_000
SHORTEST_LIMIT_SECONDS = 1.5
"""The limit on the length of clips must leave clips to train on."""


def name_of(recording: str, start: int, end: int) -> str:
    """Return the name of the clip that is cut from a recording at samples `[start, end)`."""
    return f"{recording}_{start:010d}_{end:010d}.wav"


def check_clip(name: str, where: str) -> str:
    """Return a clip's name that was read from a file, if it is a plain file name.

    Args:
        name: The name.
        where: What the error begins with: the file, and the place in it.

    Raises:
        InputError: It has folders in it, or cannot be a file's name.
    """
    problem = what_is_wrong(name) or ("it has folders in it" if "/" in name else "")
    if problem:
        raise InputError(f"{where} names the clip {display(name)}: {problem}")
    return name


def place_of(clip: str) -> tuple[str, int, int]:
    """Recording, first sample and end that a clip's name tells; `(stem, 0, 0)` where it tells nothing."""
    stem = PurePosixPath(clip).stem
    parts = stem.rsplit("_", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return parts[0], int(parts[1]), int(parts[2])
    return stem, 0, 0
