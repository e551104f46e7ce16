"""The sound of a clip, also of one that was merged or split in the page and is not cut yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from voicemill.audio.clip_names import RATE, place_of
from voicemill.audio.reading import write_wav
from voicemill.core.display import display
from voicemill.core.errors import InputError


def pcm(clip: str, clips: Iterable[str], path_of: Callable[[str], Path]) -> np.ndarray:
    """Return the samples of a clip, drawn from the clips that were cut.

    Args:
        clip: Its name.
        clips: Names of the clips that were cut.
        path_of: Where a cut clip's file is.

    Returns:
        int16 `[n]` at 32 kHz, as long as the name says. What lay between two clips and was left out is silent.

    Raises:
        InputError: Nothing that was cut overlaps it, or a file is not what slice writes.
    """
    recording, start, end = place_of(clip)
    inside = [(name, first, last) for name in clips for other, first, last in [place_of(name)] if other == recording]
    # Before memory is taken for it: a name may claim any length.
    if end > max((last for _, _, last in inside), default=end):
        raise InputError(f"{display(clip)} ends after the last clip of its recording")
    inside = [(name, first, last) for name, first, last in inside if first < end and last > start]
    if not inside:
        raise InputError(f"no clip holds {display(clip)}")
    samples = np.zeros(end - start, np.int16)
    for name, first, last in inside:
        part = read(path_of(name))[: last - first]
        low, high = max(first, start), min(first + len(part), end)
        samples[low - start : high - start] = part[low - first : high - first]
    return samples


def read(path: Path) -> np.ndarray:
    """Return a clip as slice wrote it, int16 `[n]` at 32 kHz."""
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    if rate != RATE:
        raise InputError(f"{path.name} has {rate} Hz; clips have {RATE}")
    return samples[:, 0]


def write(path: Path, samples: np.ndarray) -> None:
    """Write int16 `[n]` at 32 kHz, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, samples, RATE, "PCM_16")


def peaks(samples: np.ndarray, bins: int = 600) -> list[int]:
    """Return the outline of a waveform.

    Args:
        samples: int16 `[n]`.
        bins: How many columns at most.

    Returns:
        Lowest and highest sample of each column in turn, -127 to 127.
    """
    if not samples.size:
        return []
    starts = np.linspace(0, len(samples), min(bins, len(samples)), endpoint=False).astype(int)
    lowest, highest = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return (np.stack([lowest, highest], axis=1).ravel().astype(np.int32) * 127 // 32768).tolist()
