"""How alike two voices sound: by Resemblyzer's speaker encoder (GE2E loss, Wan et al. 2018) on the CPU, and by
ERes2NetV2 where the models folder has the one of v2Pro.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.audio.reading import read_mono
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError, MissingModelError
from voicemill.models import locate, record
from voicemill.models.layout import place

RATE = 16_000
"""Hz; what both encoders hear."""
_SHORTEST_SPEECH = 0.4
_PARTIALS_A_SECOND = 2.5
_PARTIALS_A_WINDOW = 6

Embed = Callable[[np.ndarray, int], np.ndarray | None]
"""A speaker encoder: samples `[n]` and their rate to an embedding of length 1; None for too little speech."""


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

    if not np.any(samples):
        return None
    spoken = preprocess_wav(np.asarray(samples, np.float32), source_sr=rate)
    return encoder.embed_utterance(spoken) if len(spoken) >= _SHORTEST_SPEECH * RATE else None


def second_encoder(models: Path) -> Embed | None:
    """Return ERes2NetV2 as a second encoder (20,480 numbers an embedding), or None where there is none but a toy.

    It is what v2Pro and v2ProPlus take the speaker's sound from, so a voice of theirs is more alike by it than by an
    encoder that had no part in making it.

    Args:
        models: Models folder.

    Raises:
        InputError: Its file is not a checkpoint of this network.
    """
    from voicemill.gpt_sovits.features import speaker_encoder

    try:
        file = locate(models, "speaker-encoder")
    except MissingModelError:
        return None
    if record.source(models, place("speaker-encoder")) == record.TOY:
        return None
    encode = speaker_encoder.load(file)

    def vector(samples: np.ndarray, rate: int) -> np.ndarray | None:
        import torch

        heard = resample(np.asarray(samples, np.float32), rate, RATE)
        if not np.any(heard) or len(heard) < _SHORTEST_SPEECH * RATE:
            return None
        found = encode(torch.from_numpy(heard)[None])[0].numpy()
        return found / np.linalg.norm(found)

    return vector


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

    none = np.zeros((0, 256), np.float32)
    if not np.any(samples):
        return none, 0.0
    spoken = preprocess_wav(np.asarray(samples, np.float32), source_sr=rate)
    if len(spoken) < _SHORTEST_SPEECH * RATE:
        return none, 0.0
    # Each of 1.6 s, a new one every 0.4 s.
    _, partials, _ = encoder.embed_utterance(spoken, return_partials=True, rate=_PARTIALS_A_SECOND)
    count = max(1, round(len(partials) / _PARTIALS_A_WINDOW))
    means = np.stack([part.mean(axis=0) for part in np.array_split(partials, count)])
    return means / np.linalg.norm(means, axis=1, keepdims=True), len(spoken) / RATE / count


class SpeakerLikeness:
    """Likeness to a speaker, who is the mean of the embeddings of some recordings.

    Args:
        recordings: Audio files of the speaker.
        encoder: What embeds them; Resemblyzer by default.
    """

    def __init__(self, recordings: Sequence[Path], encoder: Embed = embed) -> None:
        self.recordings, self.encoder = list(recordings), encoder

    def similarity(self, samples: np.ndarray, rate: int) -> float:
        """Return the cosine in [-1, 1] between the speech and the speaker; 0 without speech to compare.

        Args:
            samples: float32 `[n]` in [-1, 1].
            rate: Their rate in Hz.
        """
        return self.of_embedding(self.encoder(samples, rate))

    def of_embedding(self, embedding: np.ndarray | None, besides: Path | None = None) -> float:
        """Return the cosine in [-1, 1] between an embedding and the speaker; 0 for None.

        Args:
            embedding: What the encoder gave.
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
        found = {path: self.encoder(read_mono(path, RATE), RATE) for path in self.recordings}
        heard = {path: embedding for path, embedding in found.items() if embedding is not None}
        if not heard:
            raise InputError("no recording of the speaker has enough speech to recognise the voice; add recordings")
        return heard


@cache
def _encoder() -> Any:
    with warnings.catch_warnings():
        # On import its dependencies tell of deprecations that nobody here can fix.
        warnings.simplefilter("ignore")
        from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)
