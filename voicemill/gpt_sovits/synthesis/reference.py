"""The reference: a recording of whose voice it is and how it speaks, and what is said in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures, Fragment, full_stop, pronounce
from voicemill.text import BY_DICTIONARIES, Reading


@dataclass(frozen=True)
class ReferenceFeatures:
    """What the models found in a recording, so that it need not be read by them again.

    Attributes:
        tokens_T: Semantic tokens, int64, of the recording and the silence behind it.
        g_1G1: Speaker embedding, float32.
        text: What is said in it, pronounced; None where it has no text, or is to be pronounced anew.
    """

    tokens_T: np.ndarray
    g_1G1: np.ndarray
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
