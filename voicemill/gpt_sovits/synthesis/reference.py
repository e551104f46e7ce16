"""The reference recording: whose voice it is, and how it speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from voicemill.audio.reading import read, read_mono
from voicemill.audio.resampling import resample_sinc
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE, linear_spectrogram
from voicemill.gpt_sovits.flow_matching.model import mel_of
from voicemill.gpt_sovits.sovits.model import Tokenizing
from voicemill.gpt_sovits.versions import MelSpec

if TYPE_CHECKING:
    from transformers import HubertModel

SHORTEST_SECONDS, LONGEST_SECONDS = 3, 10
SILENCE_SAMPLES = 9600
"""Silence behind the prompt, at HuBERT's 16 kHz: 0.6 s. (The reference means 0.3 s, but counts it at 32 kHz.)"""

SpeakerEncoder = Callable[[Tensor], Tensor]
"""Speaker vector `[1, 20480]` of samples `[1, n]` at 16 kHz."""


@dataclass(frozen=True)
class Reference:
    """A recording of the speaker, 3 to 10 seconds long.

    Attributes:
        audio: The file.
        text: What is said in it; without a text its manner of speaking is not taken on, only its voice.
        language: Language of the text.
        others: More recordings of any length whose voice is averaged in.
    """

    audio: Path
    text: str = ""
    language: str = "auto"
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Voice:
    """What the SoVITS model takes from the references: spectrograms, and in v2Pro* speaker vectors too."""

    spectrograms: list[Tensor]
    speaker_vectors: list[Tensor] | None


def prompt_tokens(audio: Path, model: HubertModel, sovits: Tokenizing) -> Tensor:
    """Semantic tokens `[T]` of the reference and a little silence.

    Raises:
        InputError: When the recording is not 3 to 10 seconds long.
    """
    wav16k = read_mono(audio, hubert.RATE)
    seconds = len(wav16k) / hubert.RATE
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InputError(
            f"{audio} lasts {seconds:.2f} s, but a reference must last {SHORTEST_SECONDS} to {LONGEST_SECONDS} s; "
            "cut it or use another"
        )
    wav16k = np.concatenate([wav16k, np.zeros(SILENCE_SAMPLES, dtype=np.float32)])
    device = next(sovits.parameters()).device
    return sovits.extract_codes(hubert.features(model, wav16k).to(device))[0, 0].cpu()


def voice_of(files: Sequence[Path], speaker_encoder: SpeakerEncoder | None, device: torch.device) -> Voice:
    """Return what makes the voice of some recordings.

    Args:
        files: Any audio files.
        speaker_encoder: For v2Pro*; None for the other versions.
        device: Where the answer is wanted.
    """
    spectrograms, vectors = [], []
    for file in files:
        samples = levelled(file)
        spectrograms.append(linear_spectrogram(samples).to(device))
        if speaker_encoder:
            vectors.append(speaker_encoder(resample_sinc(samples, SAMPLE_RATE, hubert.RATE)).to(device))
    return Voice(spectrograms, vectors if speaker_encoder else None)


def levelled(file: Path) -> Tensor:
    """Samples `[1, n]` at SoVITS's rate, whose peak is at most 1 unless it was above 2."""
    audio = read(file)
    samples = resample_sinc(torch.from_numpy(audio.samples).mean(0, keepdim=True), audio.rate, SAMPLE_RATE)
    peak = float(samples.abs().max())
    return samples / min(2.0, peak) if peak > 1 else samples


def prompt_mel(file: Path, mel: MelSpec, device: torch.device) -> Tensor:
    """Normalized mel `[1, bands, T]` of a recording, which v3 and v4 draw on from."""
    audio = read(file)
    samples = resample_sinc(torch.from_numpy(audio.samples).mean(0, keepdim=True), audio.rate, mel.rate)
    return mel_of(samples, mel).to(device)
