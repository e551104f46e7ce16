"""The reference recording: whose voice it is, and how it speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicemill.audio.reading import read, read_mono
from voicemill.audio.resampling import resample_sinc
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE, linear_spectrogram
from voicemill.gpt_sovits.flow_matching.model import MelGenerator, mel_of
from voicemill.gpt_sovits.sovits.model import Generator, Tokenizing
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures, Fragment, full_stop, pronounce
from voicemill.gpt_sovits.versions import MelSpec
from voicemill.text import BY_DICTIONARIES, Reading

SHORTEST_SECONDS, LONGEST_SECONDS = 3, 10
SILENCE_SAMPLES = 9600
"""Silence behind the prompt, at HuBERT's 16 kHz: 0.6 s. (The reference means 0.3 s, but counts it at 32 kHz.)"""

ContentEncoder = Callable[[np.ndarray], Tensor]
"""HuBERT's features `[1, 768, T]` of samples `[n]` at 16 kHz."""

SpeakerEncoder = Callable[[Tensor], Tensor]
"""Speaker vector `[1, 20480]` of samples `[1, n]` at 16 kHz."""


@dataclass(frozen=True)
class ReferenceFeatures:
    """What the models found in a recording, so that it need not be read by them again.

    Attributes:
        tokens_T: Semantic tokens of the recording and the silence behind it.
        g_1G1: Speaker embedding.
        text: What is said in it, pronounced; None where it has no text, or is to be pronounced anew.
    """

    tokens_T: Tensor
    g_1G1: Tensor
    text: Fragment | None = None


@dataclass(frozen=True)
class Reference:
    """A recording of the speaker, 3 to 10 seconds long.

    Attributes:
        audio: The file.
        text: What is said in it; without a text its manner of speaking is not taken on, only its voice.
        language: Language of the text.
        others: More recordings of any length whose voice is averaged in.
        features: What the models find in the recording, where that is known.
    """

    audio: Path
    text: str = ""
    language: str = "auto"
    others: tuple[Path, ...] = ()
    features: ReferenceFeatures | None = None


@dataclass(frozen=True)
class Voice:
    """What v1 to v2ProPlus take from the references: the mean of their speaker embeddings."""

    g_1G1: Tensor


def prompt_samples(audio: Path) -> np.ndarray:
    """Return the samples `[n]` of a recording that is to be a prompt, at HuBERT's 16 kHz.

    Raises:
        InputError: When it is not 3 to 10 seconds long.
    """
    wav16k = read_mono(audio, hubert.RATE)
    seconds = len(wav16k) / hubert.RATE
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InputError(
            f"{audio} lasts {seconds:.2f} s, but a reference must last {SHORTEST_SECONDS} to {LONGEST_SECONDS} s; "
            "cut it or use another"
        )
    return wav16k


def prompt_tokens(audio: Path, content: ContentEncoder, sovits: Tokenizing) -> Tensor:
    """Semantic tokens `[T]` of the reference and a little silence.

    Raises:
        InputError: When the recording is not 3 to 10 seconds long.
    """
    wav16k = np.concatenate([prompt_samples(audio), np.zeros(SILENCE_SAMPLES, dtype=np.float32)])
    device = next(sovits.parameters()).device
    return sovits.extract_codes(content(wav16k).to(device))[0, 0].cpu()


def speaker_embedding(file: Path, sovits: Generator | MelGenerator, speaker_encoder: SpeakerEncoder | None) -> Tensor:
    """Speaker embedding `[1, G, 1]` of a recording of any length.

    Args:
        file: The recording.
        sovits: The acoustic model.
        speaker_encoder: For v2Pro*; None for the other versions.
    """
    device = next(sovits.parameters()).device
    samples = levelled(file)
    spectrogram = linear_spectrogram(samples).to(device)
    with torch.no_grad():
        if isinstance(sovits, MelGenerator):
            return sovits.speaker(spectrogram)
        vector = speaker_encoder(resample_sinc(samples, SAMPLE_RATE, hubert.RATE)) if speaker_encoder else None
        return sovits.speaker(
            spectrogram, torch.ones_like(spectrogram[:, :1]), None if vector is None else vector.to(device)
        )


def said_in(
    reference: Reference,
    version: str,
    bert: BertFeatures,
    reading: Reading = BY_DICTIONARIES,
    *,
    as_reference: bool = False,
) -> Fragment | None:
    """Return what is said in a recording, pronounced; None where it has no text.

    Args:
        reference: The recording.
        version: Model version.
        bert: Gives BERT rows.
        reading: The user's own pronunciations, and who reads polyphones.
        as_reference: As `pronounce`.

    Raises:
        InputError: When nothing of the text can be pronounced.
    """
    text = full_stop(reference.text, reference.language)
    if not text:
        return None
    known = reference.features.text if reference.features else None
    if known and known.text == text:
        return known
    fragment = pronounce(text, reference.language, version, bert, as_reference=as_reference, reading=reading)
    if not fragment.is_heard(version):
        raise InputError(f"the reference's text {reference.text!r} cannot be pronounced; correct it")
    return fragment


def features_of(
    reference: Reference,
    sovits: Generator | MelGenerator,
    content: ContentEncoder,
    speaker_encoder: SpeakerEncoder | None,
    bert: BertFeatures,
    reading: Reading = BY_DICTIONARIES,
) -> ReferenceFeatures:
    """Return what the models find in a recording, which may be kept and given with it later.

    Args:
        reference: The recording.
        sovits: The acoustic model.
        content: HuBERT.
        speaker_encoder: For v2Pro*; None for the other versions.
        bert: Gives BERT rows.
        reading: The user's own pronunciations, and who reads polyphones.

    Raises:
        InputError: When the recording is not 3 to 10 seconds long, or its text cannot be pronounced.
    """
    return ReferenceFeatures(
        prompt_tokens(reference.audio, content, sovits),
        speaker_embedding(reference.audio, sovits, speaker_encoder).cpu(),
        said_in(reference, sovits.config.version, bert, reading),
    )


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
