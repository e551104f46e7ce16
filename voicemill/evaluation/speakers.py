"""How many people speak in a folder of clips, and who in which: windows of speech, clustered by how alike they sound.

Agglomerative clustering with average linkage over cosine distances of Resemblyzer's embeddings, up to one threshold;
benchmarks/speakers.py measures how often it splits one speaker or takes two for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

SAME_SPEAKER = 0.68
"""Mean cosine from which two groups of windows are one person: clips of one have 0.8 to 0.9, of two 0.4 to 0.65."""
LEAST_SECONDS = 2.0
"""Speech below which a group is not a person but a cough, or a moment of two voices at once."""
_MOST_CLUSTERED = 2000


@dataclass(frozen=True)
class Windows:
    """Windows of a clip's speech: embeddings `[n, 256]` of length 1, and the seconds of each."""

    embeddings: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Speakers:
    """Who speaks in which clip.

    Attributes:
        shares: Clip -> speaker -> seconds of speech; speakers are counted from 1, the one with most speech first. Empty
            for a clip with too little speech to tell.
        voices: Embedding of each speaker, `[speakers, 256]` of length 1.
    """

    shares: Mapping[str, Mapping[int, float]]
    voices: np.ndarray

    @property
    def seconds(self) -> dict[int, float]:
        """Seconds of speech of each speaker."""
        numbers = range(1, len(self.voices) + 1)
        return {number: sum(share.get(number, 0.0) for share in self.shares.values()) for number in numbers}

    def main(self, clip: str) -> int:
        """Return who speaks most in a clip; 0 where there is too little speech to tell."""
        share = self.shares[clip]
        return max(share, key=lambda number: (share[number], -number)) if share else 0

    def like(self, voice: np.ndarray) -> tuple[int, float]:
        """Return the speaker who sounds most like an embedding of length 1, and their cosine; 0 without speakers."""
        if not len(self.voices):
            return 0, 0.0
        cosines = self.voices @ voice
        return int(np.argmax(cosines)) + 1, float(cosines.max())


def find_speakers(clips: Mapping[str, Windows], same_speaker: float = SAME_SPEAKER) -> Speakers:
    """Cluster the windows of all clips.

    Args:
        clips: Windows by clip.
        same_speaker: Mean cosine from which two groups count as one person.
    """
    spoken = {name: found for name, found in clips.items() if len(found.embeddings)}
    if not spoken:
        return Speakers({name: {} for name in clips}, np.zeros((0, 256), np.float32))
    embeddings = np.concatenate([found.embeddings for found in spoken.values()])
    seconds = np.concatenate([np.full(len(found.embeddings), found.seconds) for found in spoken.values()])
    groups = _groups(embeddings, same_speaker)
    weight = np.bincount(groups, seconds)
    is_person = (weight >= LEAST_SECONDS) | (weight == weight.max())
    order = [int(group) for group in np.argsort(-weight, kind="stable") if is_person[group]]
    voices = np.stack([_mean(embeddings[groups == group], seconds[groups == group]) for group in order])
    number_of = {group: number for number, group in enumerate(order)}
    nearest = np.argmax(embeddings @ voices.T, axis=1)
    numbers = [number_of.get(int(group), int(near)) + 1 for group, near in zip(groups, nearest, strict=True)]
    shares: dict[str, dict[int, float]] = {name: {} for name in clips}
    owners = [name for name, found in spoken.items() for _ in range(len(found.embeddings))]
    for name, number, length in zip(owners, numbers, seconds, strict=True):
        shares[name][number] = shares[name].get(number, 0.0) + float(length)
    return Speakers(shares, voices)


def _groups(embeddings: np.ndarray, same_speaker: float) -> np.ndarray:
    """Number of the group of each window, from 0."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(embeddings) == 1:
        return np.zeros(1, int)
    # Clustering takes the square of the number of windows; of many, some evenly spread ones stand for all.
    some = np.unique(np.linspace(0, len(embeddings) - 1, _MOST_CLUSTERED).round().astype(int))
    tree = linkage(embeddings[some].astype(np.float64), "average", "cosine")
    found = cast(np.ndarray, fcluster(tree, 1 - same_speaker, "distance")) - 1
    voices = np.stack([_mean(embeddings[some][found == group]) for group in range(found.max() + 1)])
    groups = np.argmax(embeddings @ voices.T, axis=1)
    groups[some] = found
    return groups


def _mean(embeddings: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    mean = np.average(embeddings, axis=0, weights=weights)
    return mean / np.linalg.norm(mean)
