"""Reference clips by manner of speaking, proposed from the speaker's clips: high, low, loud, soft, fast, slow, neutral.

Pitch, loudness and pace say how something was spoken, not in which mood: names are of what was measured. Who knows that
the loud and high one is happy can name it so when the voice is imported.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core.safe_paths import safe_join
from voicemill.voice.manifest import LONGEST_REFERENCE, SHORTEST_REFERENCE

MOST = 6
"""Most clips that a voice takes."""
FEWEST_CLIPS = 20
"""Of fewer clips nothing is proposed: what is unusual is not known."""
DISTINCT = 0.8
"""How far a cluster must lie from the usual, in standard deviations of a measure..."""
AUDIBLE = (1 / 6, 3.0, 0.2)
"""...and in its own unit: two semitones, 3 dB, a seventh in pace."""
NAMES = (("low", "high"), ("soft", "loud"), ("slow", "fast"))
"""Below and above the usual, for each of `measures`."""

_CLUSTERS = 6
_ROUNDS = 30
_FRAME_SECONDS, _HOP_SECONDS = 0.04, 0.02
_LOWEST_F0, _HIGHEST_F0 = 60.0, 400.0
_VOICED = 0.5


def measures(path: Path, text: str) -> np.ndarray | None:
    """Return pitch (log2 of the median in Hz), loudness (dB) and pace (log2 of letters a second) of a clip `[3]`.

    Args:
        path: 16-bit WAV.
        text: What is said in it.

    Returns:
        None where too little of it is voiced, or it is not of 16 bits.
    """
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            return None
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels).mean(1) / 32768
    size, hop = int(_FRAME_SECONDS * rate), int(_HOP_SECONDS * rate)
    if len(samples) < 4 * size:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    power = np.mean(np.square(frames), axis=1)
    loud = power > max(power.max() / 1000, 1e-10)
    if not loud.any():
        return None
    f0 = _pitch(frames[loud], rate)
    letters = sum(sign.isalnum() for sign in text)
    if len(f0) < 10 or not letters:
        return None
    spoken = loud.sum() * _HOP_SECONDS
    return np.array([np.log2(np.median(f0)), 10 * np.log10(np.mean(power[loud])), np.log2(letters / spoken)])


def propose(clips: Path, rows: Sequence[Mapping[str, Any]], *, most: int) -> dict[str, Mapping[str, Any]]:
    """Return clips that stand for different manners of speaking, by name.

    Clips are clustered by their measures (k-means, from seeds that lie far apart, so that the same clips give the same
    answer); a cluster is named by the measure in which it differs most, and its clip nearest to its middle stands for
    it. Neutral is the clip that is the most usual of all.

    Args:
        clips: Folder of the clips.
        rows: Rows of transcripts.json (`clip`, `seconds`, `text`, `flags`).
        most: Most clips to propose.

    Returns:
        Rows by name, the most unusual first; none of too few clips.
    """
    usable = [row for row in rows if _is_usable(row)]
    measured = [(row, measures(safe_join(clips, row["clip"]), row["text"])) for row in usable]
    kept = [(row, found) for row, found in measured if found is not None]
    if len(kept) < FEWEST_CLIPS:
        return {}
    values = np.stack([found for _, found in kept])
    spread = np.maximum(values.std(0), 1e-6)
    deviations = (values - values.mean(0)) / spread
    found: dict[str, tuple[float, Mapping[str, Any]]] = {}
    for middle, members in _clusters(deviations):
        at = int(np.abs(middle).argmax())
        distance = float(np.abs(middle[at]))
        if distance < DISTINCT or distance * spread[at] < AUDIBLE[at]:
            continue
        name = NAMES[at][int(middle[at] > 0)]
        nearest = members[int(np.square(deviations[members] - middle).sum(1).argmin())]
        if name not in found or distance > found[name][0]:
            found[name] = (distance, kept[nearest][0])
    if not found:
        return {}
    usual = kept[int(np.square(deviations).sum(1).argmin())][0]
    ranked = [*sorted(found, key=lambda name: (-found[name][0], name))[: most - 1], "neutral"]
    return {name: usual if name == "neutral" else found[name][1] for name in ranked[:most]}


def _is_usable(row: Mapping[str, Any]) -> bool:
    return bool(row["text"] and not row.get("flags") and SHORTEST_REFERENCE <= row["seconds"] <= LONGEST_REFERENCE)


def _pitch(frames: np.ndarray, rate: int) -> np.ndarray:
    """F0 in Hz of those frames that are voiced, by the highest peak of the normalised autocorrelation."""
    frames = frames - frames.mean(1, keepdims=True)
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames, 2 * size)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[:, :size]
    shares = correlation / np.maximum(correlation[:, :1], 1e-12)
    first, last = int(rate / _HIGHEST_F0), min(int(rate / _LOWEST_F0), size - 1)
    best = shares[:, first:last].argmax(1) + first
    strength = shares[np.arange(len(best)), best]
    return rate / best[strength > _VOICED]


def _clusters(points: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Middles `[3]` of clusters of points `[n, 3]`, with the points of each; none has fewer than two."""
    middles = [np.zeros(points.shape[1])]
    while len(middles) < _CLUSTERS:
        distance = np.min([np.square(points - middle).sum(1) for middle in middles], axis=0)
        middles.append(points[int(distance.argmax())])
    centres = np.stack(middles)
    nearest = np.zeros(len(points), dtype=int)
    for _ in range(_ROUNDS):
        nearest = np.square(points[:, None] - centres[None]).sum(2).argmin(1)
        centres = np.stack(
            [points[nearest == at].mean(0) if (nearest == at).any() else centres[at] for at in range(_CLUSTERS)]
        )
    members = [np.flatnonzero(nearest == at) for at in range(_CLUSTERS)]
    return [(centres[at], own) for at, own in enumerate(members) if len(own) > 1]
