"""The speaker whom a voice should sound like: the recordings that it is measured against, and what they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.audio import quality, speech
from voicemill.audio.reading import read_mono
from voicemill.core.safe_paths import safe_join
from voicemill.evaluation.speaker_similarity import RATE, Embed, SpeakerLikeness, embed
from voicemill.text import scoring

_CLIPS = 8


@dataclass(frozen=True)
class Clip:
    """A recording of the speaker, and what is said in it; no text where nobody knows."""

    audio: Path
    text: str
    language: str


class Speaker:
    """The speaker by some recordings.

    Args:
        clips: The recordings.
        second: A second speaker encoder beside Resemblyzer; None where there is none.
    """

    def __init__(self, clips: Sequence[Clip], second: Embed | None = None) -> None:
        self.clips = list(clips)
        files = [clip.audio for clip in self.clips]
        self.likeness = SpeakerLikeness(files)
        self.second = SpeakerLikeness(files, second) if second else None

    @classmethod
    def of_clips(cls, clips: Path, rows: Sequence[Mapping[str, Any]], second: Embed | None = None) -> Speaker:
        """Return the speaker of a folder of clips: the eight longest clips without flags.

        Args:
            clips: The folder.
            rows: Rows of transcripts.json (`clip`, `seconds`, `text`, `language`, `flags`).
            second: As of the class.
        """
        ordered = sorted(rows, key=lambda row: (bool(row.get("flags")), -row["seconds"], row["clip"]))
        return cls(
            [Clip(safe_join(clips, row["clip"]), row["text"], row["language"].lower()) for row in ordered[:_CLIPS]],
            second,
        )

    @cached_property
    def pace(self) -> float | None:
        """Phones a second from the first to the last speech, over all clips; None where no clip has words or speech."""
        phones = seconds = 0.0
        for clip in self.clips:
            count = len(scoring.phones(clip.text, clip.language)) if clip.text else 0
            spoken = speech.spoken_seconds(read_mono(clip.audio, RATE), RATE) if count else 0.0
            if spoken:
                phones, seconds = phones + count, seconds + spoken
        return phones / seconds if phones else None

    def own(self) -> dict[str, Any]:
        """Return what the recordings themselves reach: what no voice of them can be expected to surpass.

        Returns:
            `clips`, `pace` and `ovrl`, and `similarity`: the mean cosine of each recording to the mean of the others,
            None for a single one.
        """
        voices = {clip.audio: embed(read_mono(clip.audio, RATE), RATE) for clip in self.clips}
        heard = {path: voice for path, voice in voices.items() if voice is not None}
        several = heard if len(heard) > 1 else {}
        alike = [self.likeness.of_embedding(voice, besides=path) for path, voice in several.items()]
        ovrl = [quality.measure(read_mono(clip.audio, RATE), RATE).ovrl for clip in self.clips]
        return {
            "clips": [clip.audio.name for clip in self.clips],
            "similarity": round(float(np.mean(alike)), 4) if alike else None,
            "pace": round(self.pace, 3) if self.pace else None,
            "ovrl": round(float(np.mean(ovrl)), 3),
        }
