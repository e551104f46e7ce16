"""What the models find in a reference recording: its tokens, the speaker's embedding, its mel."""

from __future__ import annotations

from collections.abc import Callable
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
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures
from voicemill.gpt_sovits.synthesis.reference import Reference, ReferenceFeatures, said_in
from voicemill.gpt_sovits.versions import MelSpec
from voicemill.text import BY_DICTIONARIES, Reading

SHORTEST_SECONDS, LONGEST_SECONDS = 3, 10
SILENCE_SAMPLES = 9600
"""Silence behind the prompt, at HuBERT's 16 kHz: 0.6 s. (The reference means 0.3 s, but counts it at 32 kHz.)"""

ContentEncoder = Callable[[np.ndarray], Tensor]
"""HuBERT's features `[1, 768, T]` of samples `[n]` at 16 kHz."""

SpeakerEncoder = Callable[[Tensor], Tensor]
"""Speaker vector `[1, 20480]` of samples `[1, n]` at 16 kHz."""


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


def prompt_tokens(audio: Path, content: ContentEncoder, sovits: Tokenizing) -> np.ndarray:
    """Semantic tokens `[T]`, int64, of the reference and a little silence.

    Raises:
        InputError: When the recording is not 3 to 10 seconds long.
    """
    wav16k = np.concatenate([prompt_samples(audio), np.zeros(SILENCE_SAMPLES, dtype=np.float32)])
    device = next(sovits.parameters()).device
    return sovits.extract_codes(content(wav16k).to(device))[0, 0].cpu().numpy()


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
        speaker_embedding(reference.audio, sovits, speaker_encoder).float().cpu().numpy(),
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
