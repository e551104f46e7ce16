"""One clip and what is said in it -> one row of a training dataset."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voicemill.audio.reading import read_mono
from voicemill.audio.resampling import resample, resample_sinc
from voicemill.core.errors import InputError
from voicemill.core.hardware import use_gpu
from voicemill.dataset.labels import Label
from voicemill.gpt_sovits.dataset import RATE, DatasetFolder, Text, level
from voicemill.gpt_sovits.features import bert, hubert, semantic, speaker_encoder
from voicemill.gpt_sovits.versions import spec
from voicemill.models import locate
from voicemill.text import BY_DICTIONARIES, Phonemes, Reading, phonemize, phonemize_segment
from voicemill.text.scripts import TOO_MUCH, looks_like
from voicemill.text.symbols import PAUSES, PUNCTUATION, UNKNOWN

# Both trainings leave out what is shorter or longer.
MIN_SECONDS, MAX_SECONDS = 0.6, 54.0
_UNHEARD = {*PUNCTUATION, *PAUSES, UNKNOWN}


class Preparation:
    """A dataset in the making.

    Args:
        folder: Empty folder of the dataset.
        models: Models folder.
        version: GPT-SoVITS version.
        reading: The user's own pronunciations, and who reads polyphones.

    Raises:
        InputError: A model is missing or cannot be loaded.
    """

    def __init__(self, folder: Path, models: Path, version: str, reading: Reading = BY_DICTIONARIES) -> None:
        self.version, self.reading = version, reading
        self.dataset = DatasetFolder(folder)
        self.dataset.create(version)
        device = "cuda" if use_gpu(torch.cuda.is_available()) else "cpu"
        self._hubert = hubert.load(locate(models, "hubert"), device)
        self._generator = semantic.load(locate(models, "sovits-g", version), device)
        self._speaker_vector: Callable[[torch.Tensor], torch.Tensor] | None = None
        if spec(version).speaker_vectors:
            self._speaker_vector = speaker_encoder.load(locate(models, "speaker-encoder"), device)
        self._models, self._device = models, device
        self._bert: bert.Bert | None = None
        self._texts: dict[str, Text] = {}
        self._codes: dict[str, list[int]] = {}
        self.seconds = 0.0
        self.languages: dict[str, int] = {}

    def add(self, clip: Path, label: Label) -> dict[str, Any]:
        """Add a clip.

        Returns:
            Details for the ledger: seconds, phones, tokens, language, and the characters that nothing pronounces, each
            with its place in the text.

        Raises:
            InputError: The clip cannot be used; nothing of it was written.
        """
        wav32k = read_mono(clip, RATE)
        seconds = len(wav32k) / RATE
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise InputError(f"{seconds:.2f} s long; training accepts {MIN_SECONDS:g} to {MAX_SECONDS:g} s")
        spoken = pronounce(label.text, label.language, self.version, reading=self.reading)
        if _UNHEARD.issuperset(spoken.phones):
            if not label.text.strip():
                raise InputError("its transcript is empty")
            raise InputError(f"nothing in its text can be pronounced: {label.text!r}{_another_language(label)}")
        letters = sum(map(str.isalnum, label.text))
        unheard = sum(sign.character.isalnum() for sign in spoken.unpronounced)
        if unheard >= TOO_MUCH * letters:
            # Whoever reads aloud says all of it: such a pair teaches that sounds come from nowhere.
            raise InputError(
                f"{unheard} of {letters} letters in its text are not pronounced in {label.language}: {label.text!r}"
                f"{_another_language(label)}"
            )
        pcm, heard = level(wav32k)
        ssl_1CT = hubert.features(self._hubert, resample(heard, RATE, hubert.RATE))
        if not torch.isfinite(ssl_1CT).all():
            raise InputError("HuBERT produced NaN features for this clip")
        codes = semantic.codes(self._generator, ssl_1CT)
        if self._speaker_vector:
            # Of what training reads, 16 bits included; by the resampler that synthesis has, so that vectors agree.
            samples_1n = torch.from_numpy(pcm.astype(np.float32) / 32768).unsqueeze(0)
            wav16k_1n = resample_sinc(samples_1n, RATE, speaker_encoder.RATE)
            self.dataset.add_speaker_vector(label.name, self._speaker_vector(wav16k_1n).cpu())
        if any(segment.language == "zh" for segment in spoken.segments):
            self.dataset.add_bert(label.name, bert.segment_features(self._loaded_bert(), spoken.segments))
        self.dataset.add_audio(label.name, pcm, ssl_1CT)
        self._texts[label.name] = Text(spoken.phones, spoken.word2ph, spoken.norm_text)
        self._codes[label.name] = codes
        self.seconds += seconds
        self.languages[label.language] = self.languages.get(label.language, 0) + 1
        details = {"seconds": round(seconds, 3), "phones": len(spoken.phones), "tokens": len(codes)}
        if spoken.unpronounced:
            details["unpronounced"] = [asdict(sign) for sign in spoken.unpronounced]
        return {**details, "language": label.language}

    def finish(self) -> None:
        """Write the tables."""
        self.dataset.write_texts(self._texts)
        self.dataset.write_codes(self._codes)

    def _loaded_bert(self) -> bert.Bert:
        # Only Chinese needs it, and it is the largest model here.
        if self._bert is None:
            self._bert = bert.load(locate(self._models, "bert"), self._device)
        return self._bert


def _another_language(label: Label) -> str:
    """For a text that its language does not pronounce: which one it looks like, as the end of a sentence."""
    other = looks_like(label.text)
    return f"; it looks like {other}: correct its language" if other not in ("", label.language) else ""


def pronounce(
    text: str, language: str, version: str, *, as_reference: bool = False, reading: Reading = BY_DICTIONARIES
) -> Phonemes:
    """Return the phones of a clip's text.

    The clip's speaker said all of it, so words of other languages keep their phones, and signs are read as they are in
    synthesis. Two signs that stand for pauses in text to be spoken are only signs in a transcript.

    Args:
        text: As it is labelled.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
        version: GPT-SoVITS version.
        as_reference: Read it as the reference's preparation does: one language, foreign words dropped, % as a minus and
            the yuan sign as a comma.
        reading: The user's own pronunciations, and who reads polyphones.
    """
    if as_reference:
        segment = phonemize_segment(text.replace("%", "-").replace("￥", ","), language, version, as_reference=True)
        return Phonemes([segment], version)
    if language in ("zh", "yue"):
        # As many characters as before, so that places in the text stay what they are.
        text = re.sub(r"[￥¥](\s*)(\d[\d,.]*\d|\d)", r"\2元\1", text)
    text = text.replace("￥", ",").replace("^", ",")
    return phonemize(text, language, version, lead_in=False, reading=reading)
