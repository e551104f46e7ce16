"""What goes into a synthesis and what comes out: options, scripts, prompts, speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import waveform
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.text import Unpronounced


@dataclass(frozen=True)
class Mark:
    """What marks everything that is spoken as generated.

    Attributes:
        name: What reports call it.
        apply: Samples float32 `[n]` and their rate in Hz to marked samples `[n]`.
    """

    name: str
    apply: Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Quirks:
    """What the reference does and we do not, for comparing with it number for number.

    Attributes:
        decode_together: Fragments of a batch are decoded as one utterance and cut apart, so that they influence each
            other (docs/explanation/decisions.md, 3).
        late_stop: The plain loop notices the limit one token late and then drops the first token (decision 4).
        read_as_reference: Figures and languages are read as the reference reads them even where it errs.
        pause_at_32_khz: A pause is counted in samples at 32 kHz whatever the rate (decision 215).
        mel_of_last_reference: v3 and v4 draw on from the mel of the last recording, whose words are not the prompt's,
            where there are several (decision 215).
    """

    decode_together: bool = False
    late_stop: bool = False
    read_as_reference: bool = False
    pause_at_32_khz: bool = False
    mel_of_last_reference: bool = False


@dataclass(frozen=True)
class Options:
    """How to speak; the defaults are the reference's.

    Attributes:
        sampling: How tokens are chosen.
        text_split: How lines are cut into fragments, `cut0` to `cut5`.
        pause_seconds: Silence after each fragment.
        batch_size: Fragments that the token model speaks at once.
        decode_at_once: Most fragments of like length whose sound is made at once; None takes `batch_size` on a GPU and
            1 on a CPU.
        max_tokens: Most tokens of a fragment, 25 a second; None takes what its phones need at the slowest pace that the
            model was trained on, and a second more.
        noise_scale: How much SoVITS varies, in v1 to v2ProPlus.
        sample_steps: Steps in which v3 and v4 draw a mel spectrogram; None takes what the version's web UI takes.
        guidance: How far v3 and v4 go beyond what is asked for, measured from what they would say unasked; above 0 it
            takes twice the time.
        word_times: Find out when each word is said; reports then have `words`.
    """

    sampling: Sampling = Sampling()
    text_split: str = "cut5"
    pause_seconds: float = 0.3
    batch_size: int = 16
    max_tokens: int | None = None
    noise_scale: float = 0.5
    decode_at_once: int | None = None
    sample_steps: int | None = None
    guidance: float = 0.0
    word_times: bool = False


@dataclass(frozen=True)
class Script:
    """A line, ready to be spoken.

    Attributes:
        fragments: Its pieces.
        speed: 2 is twice as fast.
        seed: The same seed speaks it the same way.
        unpronounced: Its characters that are not heard, and their places.
        text: The line as it was given.
    """

    fragments: list[Fragment]
    speed: float = 1.0
    seed: int = 0
    unpronounced: Sequence[Unpronounced] = ()
    text: str = ""

    def __post_init__(self) -> None:
        if not 0.25 <= self.speed <= 4:
            raise InputError(f"the speed must lie between 0.25 and 4, not {self.speed}")


@dataclass(frozen=True)
class Speech:
    """A spoken line.

    Attributes:
        samples: float32 `[n]`, at most 1.
        rate: Sampling rate in Hz.
        report: What was said and how: fragments with text, tokens and seconds; what could not be pronounced, and where
            it stands in the line; which fragments never ended and were cut off.
    """

    samples: np.ndarray
    rate: int
    report: dict[str, Any]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def pcm16(self) -> np.ndarray:
        return waveform.pcm16(self.samples)


@dataclass(frozen=True)
class Prompt:
    """A reference, prepared: tokens and text that precede every fragment, and the voice.

    Attributes:
        tokens: int64 `[T]`.
        text: What is said in it.
        voice: What the sound takes of it; see `sound.Sound.voice`.
    """

    tokens: np.ndarray | None
    text: Fragment | None
    voice: Any
