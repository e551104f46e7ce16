"""Speech by flite (Debian's package `flite`): a waveform, and exactly which phone is when."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.core.errors import InputError

VOICES = ("slt", "rms", "awb", "kal16")
"""Voices that are free to use and to build on: CMU's ARCTIC speakers, and KAL's diphones."""
RATE = 16_000
# Hz, by autocorrelation of a few sentences each.
USUAL_F0 = {"slt": 171, "rms": 106, "awb": 128, "kal16": 98}
PHONES = (
    *["aa", "ae", "ah", "ao", "aw", "ax", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy"],
    *["jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "pau", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y"],
    *["z", "zh"],
)
"""What flite divides speech into: ARPAbet without stress, with the schwa apart, and pauses."""


@dataclass(frozen=True)
class Segment:
    """A phone and its end in seconds from the begin."""

    phone: str
    end: float


@dataclass(frozen=True)
class Spoken:
    """What flite said.

    Attributes:
        samples: float32 `[n]` at 16 kHz.
        segments: Without gaps, from the begin; the last may end after the waveform.
    """

    samples: np.ndarray
    segments: list[Segment]


def speak(text: str, voice: str, *, tempo: float = 1.0, f0: float = 1.0) -> Spoken:
    """Let a voice say a text.

    Args:
        text: English.
        voice: Of `VOICES`.
        tempo: 2 is twice as fast.
        f0: Factor on the voice's usual pitch. The voice rms does not follow it.

    Raises:
        InputError: If flite is not installed, or cannot speak this text.
    """
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        settings = ("--setf", f"duration_stretch={1 / tempo:.4f}")
        settings += ("--setf", f"int_f0_target_mean={USUAL_F0[voice] * f0:.1f}")
        try:
            done = subprocess.run(
                ["flite", "-voice", voice, *settings, "-psdur", "-t", text, "-o", str(wav)],
                check=True,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError as error:
            raise InputError("the synthesizer flite is not installed: apt-get install flite") from error
        except subprocess.CalledProcessError as error:
            raise InputError(f"flite's voice {voice} cannot say {text!r}: {error.stderr.strip()}") from error
        samples, rate = soundfile.read(wav, dtype="float32")
    if rate != RATE:
        raise InputError(f"flite's voice {voice} speaks at {rate} Hz instead of {RATE}")
    pairs = (word.rsplit(":", 1) for word in done.stdout.split())
    return Spoken(samples, [Segment(phone, float(end)) for phone, end in pairs])
