"""How alike two voices sound, by Resemblyzer's speaker encoder (GE2E loss, Wan et al. 2018), on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.audio.reading import read_mono
from voicemill.core.errors import InputError
from voicemill.core.safe_paths import safe_join

_SHORTEST_SPEECH = 0.4
_SPEAKER_CLIPS = 8
_PARTIALS_A_SECOND = 2.5
_PARTIALS_A_WINDOW = 6


def embed(samples: np.ndarray, rate: int) -> np.ndarray | None:
    """Embedding of a voice.

    Args:
        samples: float32 `[n]` in [-1, 1].
        rate: Their rate in Hz.

    Returns:
        float32 `[256]` of length 1, or None where there is too little speech to tell a voice by.
    """
    encoder = _encoder()
    from resemblyzer import preprocess_wav
    from resemblyzer.hparams import sampling_rate

    if not np.any(samples):
        return None
    spoken = preprocess_wav(np.asarray(samples, np.float32), source_sr=rate)
    return encoder.embed_utterance(spoken) if len(spoken) >= _SHORTEST_SPEECH * sampling_rate else None


def embed_windows(samples: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """Embeddings of a voice in windows of about 3.6 s of speech, one after the other.

    Args:
        samples: float32 `[n]` in [-1, 1].
        rate: Their rate in Hz.

    Returns:
        float32 `[windows, 256]`, each of length 1, and the seconds of speech for which each of them stands; no windows
        where there is too little speech to tell a voice by.
    """
    encoder = _encoder()
    from resemblyzer import preprocess_wav
    from resemblyzer.hparams import sampling_rate

    none = np.zeros((0, 256), np.float32)
    if not np.any(samples):
        return none, 0.0
    spoken = preprocess_wav(np.asarray(samples, np.float32), source_sr=rate)
    if len(spoken) < _SHORTEST_SPEECH * sampling_rate:
        return none, 0.0
    # Each of 1.6 s, a new one every 0.4 s.
    _, partials, _ = encoder.embed_utterance(spoken, return_partials=True, rate=_PARTIALS_A_SECOND)
    count = max(1, round(len(partials) / _PARTIALS_A_WINDOW))
    means = np.stack([part.mean(axis=0) for part in np.array_split(partials, count)])
    return means / np.linalg.norm(means, axis=1, keepdims=True), len(spoken) / sampling_rate / count


class SpeakerLikeness:
    """Likeness to a speaker, who is the mean of the embeddings of some recordings.

    Args:
        recordings: Audio files of the speaker.
    """

    def __init__(self, recordings: Sequence[Path]) -> None:
        self.recordings = list(recordings)

    @classmethod
    def of_clips(cls, clips: Path, rows: Sequence[Mapping[str, Any]]) -> SpeakerLikeness:
        """Return the speaker of a folder of clips: the eight longest clips without flags.

        Args:
            clips: The folder.
            rows: Rows of transcripts.json (`clip`, `seconds`, `flags`).
        """
        ordered = sorted(rows, key=lambda row: (bool(row.get("flags")), -row["seconds"], row["clip"]))
        return cls([safe_join(clips, row["clip"]) for row in ordered[:_SPEAKER_CLIPS]])

    def similarity(self, samples: np.ndarray, rate: int) -> float:
        """Return the cosine in [-1, 1] between the speech and the speaker; 0 without speech to compare.

        Args:
            samples: float32 `[n]` in [-1, 1].
            rate: Their rate in Hz.
        """
        return self.of_embedding(embed(samples, rate))

    def of_embedding(self, embedding: np.ndarray | None, besides: Path | None = None) -> float:
        """Return the cosine in [-1, 1] between an embedding and the speaker; 0 for None.

        Args:
            embedding: What `embed` gave.
            besides: One of the speaker's recordings, to be left out of the mean: the one that the embedding is of.

        Raises:
            InputError: Without a recording to compare with.
        """
        if embedding is None:
            return 0.0
        rest = [one for path, one in self._embeddings.items() if path != besides]
        if not rest:
            raise InputError(f"{besides} is the only recording of the speaker: nothing else to compare it with")
        mean = np.mean(rest, axis=0)
        return float(embedding @ mean / np.linalg.norm(mean))

    @cached_property
    def _embeddings(self) -> dict[Path, np.ndarray]:
        found = {path: embed(*_read(path)) for path in self.recordings}
        heard = {path: embedding for path, embedding in found.items() if embedding is not None}
        if not heard:
            raise InputError("no recording of the speaker has enough speech to recognise the voice; add recordings")
        return heard


def _read(path: Path) -> tuple[np.ndarray, int]:
    from resemblyzer.hparams import sampling_rate

    return read_mono(path, sampling_rate), sampling_rate


@cache
def _encoder() -> Any:
    with warnings.catch_warnings():
        # On import its dependencies tell of deprecations that nobody here can fix.
        warnings.simplefilter("ignore")
        from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)
