"""Text in, fragments out: pieces of a line that are spoken one by one, with their phones and BERT rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS
from voicemill.text import BY_DICTIONARIES, Reading, Unpronounced, cuts, phonemize, symbols
from voicemill.text.silent import unsaid
from voicemill.text.spoken import Segment

BertFeatures = Callable[[Sequence[Any]], np.ndarray]
"""BERT rows `[1024, X]`, float32, of a text's segments: rows of the model for Mandarin, zeros for the rest."""

BALANCE = 0.75
"""A batch is short enough when its median length is this share of its mean: one long fragment makes all others wait."""

_SHOWN = 10
_SILENT = frozenset([*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD])


def without_bert(segments: Sequence[Any]) -> np.ndarray:
    """Return the BERT rows of segments of which none is Mandarin: zeros."""
    return np.zeros((BERT_CHANNELS, sum(len(segment.phones) for segment in segments)), dtype=np.float32)


@dataclass(frozen=True)
class Fragment:
    """A piece of text, ready for the token model.

    Attributes:
        text: As it was cut.
        norm_text: As it was pronounced.
        phones: Ids of its phones.
        bert_CX: BERT rows `[1024, X]`.
        unpronounced: Characters that are not heard, and their places in `text`.
        segments: Its stretches of one language, of which `phones` are the phones.
    """

    text: str
    norm_text: str
    phones: list[int]
    bert_CX: np.ndarray = field(repr=False)
    unpronounced: tuple[Unpronounced, ...] = ()
    segments: tuple[Segment, ...] = field(default=(), repr=False)

    def is_heard(self, version: str) -> bool:
        """Return whether any of its phones is more than a pause."""
        table = symbols.table(version)
        return any(table[phone] not in _SILENT for phone in self.phones)


def pronounce(
    text: str,
    language: str,
    version: str,
    bert: BertFeatures,
    *,
    as_reference: bool = False,
    reading: Reading = BY_DICTIONARIES,
) -> Fragment:
    """Return one piece of text with its phones and BERT rows; nothing is cut.

    Args:
        as_reference: Read as the reference does even where it errs.
        reading: The user's own pronunciations, and who reads polyphones.
    """
    phonemes = phonemize(text, language, version, as_reference=as_reference, reading=reading)
    return Fragment(
        text,
        phonemes.norm_text,
        phonemes.ids,
        bert(phonemes.segments),
        tuple(phonemes.unpronounced),
        tuple(phonemes.segments),
    )


def fragments(
    text: str,
    language: str,
    text_split: str,
    version: str,
    bert: BertFeatures,
    *,
    as_reference: bool = False,
    reading: Reading = BY_DICTIONARIES,
) -> list[Fragment]:
    """Cut a line and pronounce the pieces.

    Args:
        text: What to say.
        language: Language, or `auto`.
        text_split: `cut0` to `cut5`, the reference's ways to cut.
        version: Model version, for the phone table.
        bert: Gives BERT rows.
        as_reference: Read as the reference does even where it errs.
        reading: The user's own pronunciations, and who reads polyphones.

    Raises:
        InputError: When there is nothing that could be said.
    """
    pieces = cuts.pieces(text, language, text_split)
    spoken = [pronounce(piece, language, version, bert, as_reference=as_reference, reading=reading) for piece in pieces]
    spoken = [fragment for fragment in spoken if fragment.norm_text and fragment.is_heard(version)]
    if not spoken:
        silent = ", ".join(map(str, unpronounced(text, [])[:_SHOWN]))
        if not silent:
            raise InputError("nothing to speak: the text is empty or punctuation only")
        raise InputError(
            f"nothing in it can be pronounced (language {language}; {silent}); spell out symbols, or set its language"
        )
    return spoken


def unpronounced(text: str, spoken: Sequence[Fragment]) -> list[Unpronounced]:
    """Characters of a line that are not heard where its fragments are spoken, and their places in the line."""
    return unsaid(text, [(fragment.text, fragment.unpronounced) for fragment in spoken])


def full_stop(text: str, language: str) -> str:
    """Return a prompt's text without line breaks at its ends, closed by a mark."""
    text = text.strip("\n")
    if text and text[-1] not in cuts.ENDS:
        text += "." if language == "en" else "。"
    return text


def batches(lengths: Sequence[int], size: int, *, sort: bool = True) -> list[list[int]]:
    """Return which fragments to speak together.

    Args:
        lengths: Length of each fragment's text.
        size: Most fragments in a batch.
        sort: Put fragments of like length together, and end a batch early where lengths differ much; else take them as
            they come.

    Returns:
        Indices of the fragments of each batch; each fragment is in one.
    """
    if not sort:
        return [list(range(start, min(start + size, len(lengths)))) for start in range(0, len(lengths), size)]
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    groups, start = [], 0
    while start < len(order):
        end = min(start + size, len(order))
        while end - start > 1 and not _balanced([lengths[index] for index in order[start:end]]):
            end -= 1
        groups.append(order[start:end])
        start = end
    return groups


def _balanced(lengths: list[int]) -> bool:
    return lengths[len(lengths) // 2] / (sum(lengths) / len(lengths) + 1e-8) >= BALANCE
