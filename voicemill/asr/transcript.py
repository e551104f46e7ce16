"""What a recogniser gives, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

RATE = 16_000


@dataclass(frozen=True)
class Transcript:
    """What was heard in a clip.

    Attributes:
        text: The words, on one line; empty where nothing was heard.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
        confidence: 0 to 1. Each recogniser has its own scale: see `trusted_above` of the recogniser.
    """

    text: str
    language: str
    confidence: float


@dataclass(frozen=True)
class Rehearing:
    """What a second hearing of a clip says about its transcript.

    Attributes:
        texts: What else was heard, one text or several.
        word_confidence: Chance that the recogniser gives the least likely word of the transcript, 0 to 1, when it
            reads the transcript along with the sound; None from one that cannot.
    """

    texts: list[str]
    word_confidence: float | None = None


class Recognizer(Protocol):
    """A speech recogniser.

    Attributes:
        name: "whisper", "sensevoice", "paraformer" or "pocketsphinx".
        trusted_above: Confidence below which a transcript should be looked at; above 1 where none can be trusted.
    """

    name: str
    trusted_above: float

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        """Recognise one clip, float32 `[n]` at 16 kHz."""
        ...

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        """Recognise several clips, as many at a time as the recogniser can."""
        ...
