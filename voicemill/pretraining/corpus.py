"""A corpus of synthetic speakers: what they say, in which voice, and which phone is when.

clips/<speaker>_<number>.wav       32 kHz mono, PCM 16
transcripts/transcripts.list       the usual annotation, with exact texts
transcripts/segments.json          clip -> [[phone, end in seconds], ...]
transcripts/speakers.json          speaker -> how its voice is made
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from voicemill.audio.resampling import resample
from voicemill.pretraining import flite
from voicemill.pretraining.flite import Segment

RATE = 32_000
NOISE_DB = -66.0
"""Level of the noise in every clip, in dBFS: digital silence would be a target that no recording ever has."""
PEAK = 0.6
AGREEMENT = 0.9
"""Share of a sentence's phones in which flite and our front-end have to agree."""


@dataclass(frozen=True)
class Speaker:
    """A synthetic speaker: a voice of flite whose vocal tract is shortened and whose pitch is moved.

    Attributes:
        tract: Factor on all frequencies, formants and pitch; the tempo stays what it is.
        f0: Factor on the pitch alone, before that.
        tempo: 2 is twice as fast as the voice usually is.
    """

    name: str
    voice: str
    tract: float = 1.0
    f0: float = 1.0
    tempo: float = 1.0

    def say(self, text: str, noise: np.random.Generator) -> tuple[np.ndarray, list[Segment]]:
        """Return speech, float32 `[n]` at 32 kHz, and its phones.

        Raises:
            InputError: flite cannot say it.
        """
        spoken = flite.speak(text, self.voice, tempo=self.tempo / self.tract, f0=self.f0)
        # What was sampled at one rate and is played at another gets shorter and higher; flite has drawn it out before.
        wav = resample(spoken.samples, round(flite.RATE * self.tract), RATE)
        wav = wav * (PEAK / np.abs(wav).max()) + noise.standard_normal(len(wav)) * 10 ** (NOISE_DB / 20)
        seconds = len(wav) / RATE
        segments = [Segment(s.phone, min(s.end / self.tract, seconds)) for s in spoken.segments]
        return wav.astype(np.float32), segments


def speakers(count: int, seed: int) -> list[Speaker]:
    """Return the voices as they are, then voices with other vocal tracts, pitches and tempos."""
    rng = np.random.default_rng(seed)
    found = [Speaker(voice, voice) for voice in flite.VOICES][:count]
    for number in range(len(found), count):
        voice = flite.VOICES[number % len(flite.VOICES)]
        tract, f0, tempo = (float(np.exp(rng.uniform(-w, w))) for w in (0.16, 0.22, 0.1))
        found.append(Speaker(f"{voice}{number:02}", voice, round(tract, 3), round(f0, 3), round(tempo, 3)))
    return found


def agreement(segments: list[Segment], phones: list[str]) -> float:
    """How far flite said what our front-end reads, from 0 to 1; stress, reduction of vowels and pauses do not count.

    Args:
        segments: From flite.
        phones: ARPAbet with stress, and punctuation.
    """
    said = ["ah" if s.phone in ("ax", "ih") else s.phone for s in segments if s.phone != "pau"]
    read = [phone.rstrip("012").lower() for phone in phones if phone[0].isalpha()]
    read = ["ah" if phone == "ih" else phone for phone in read]
    return SequenceMatcher(None, said, read, autojunk=False).ratio()


def frame_phones(segments: list[Segment], frames: int, hop: float, offset: float) -> list[int]:
    """Return the number of the phone (in `flite.PHONES`) at the middle of each frame.

    Args:
        segments: Of the clip.
        frames: How many.
        hop: Seconds from a frame to the next.
        offset: Where the middle of the first is.
    """
    return list(_at(segments, (offset + hop * i for i in range(frames))))


def _at(segments: list[Segment], times: Iterator[float]) -> Iterator[int]:
    place = 0
    for time in times:
        while place < len(segments) - 1 and segments[place].end <= time:
            place += 1
        yield flite.PHONES.index(segments[place].phone)
