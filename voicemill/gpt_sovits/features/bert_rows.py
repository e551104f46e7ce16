"""From BERT's rows, one a token, to those of a text's phones; without torch.

Shapes: T tokens, N characters, P phones, C = 1024 channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS

UNUSED_LAYERS = 2
"""The features are the output of the third layer from the end; those above it are never run."""


class Segment(Protocol):
    """A stretch of text in one language, as `voicemill.text` gives it."""

    @property
    def language(self) -> str: ...
    @property
    def norm_text(self) -> str: ...
    @property
    def phones(self) -> Sequence[str]: ...
    @property
    def word2ph(self) -> Sequence[int] | None: ...


def check_length(text: str, tokens: int, positions: int) -> None:
    """Check that a text fits a model.

    Args:
        text: The text.
        tokens: How many it has, [CLS] and [SEP] aside.
        positions: Most tokens that the model reads, with them.

    Raises:
        InputError: It does not.
    """
    if tokens + 2 > positions:
        raise InputError(f"a sentence of {len(text)} characters is longer than the {positions - 2} that BERT reads")


def by_phone(rows_TC: np.ndarray, spans: Sequence[tuple[int, int]], word2ph: Sequence[int]) -> np.ndarray:
    """Return each character's row repeated for its phones, `[C, P]`.

    Args:
        rows_TC: Of the text's tokens.
        spans: Which characters each token is of: the first, and the one after the last, `[T]`.
        word2ph: Phones of each character, `[N]`.
    """
    # A Chinese character is a token. Where the tokenizer joins or drops characters the spans tell whose row is whose.
    by_character = np.zeros((len(word2ph), rows_TC.shape[1]), dtype=np.float32)
    for row, (begin, end) in zip(rows_TC, spans, strict=True):
        by_character[begin:end] = row
    return np.ascontiguousarray(by_character.repeat(word2ph, axis=0).T)


def by_segment(segments: Iterable[Segment], rows: Callable[[str, Sequence[int]], np.ndarray]) -> np.ndarray:
    """Return the rows of a text in several languages, `[C, P]` over all segments: zeros where it is not Mandarin.

    Args:
        segments: In the order of their phones.
        rows: Rows `[C, P]` of a Chinese text and the phones of each of its characters.
    """
    parts = [
        rows(segment.norm_text, segment.word2ph)
        if segment.language == "zh" and segment.word2ph
        else np.zeros((BERT_CHANNELS, len(segment.phones)), dtype=np.float32)
        for segment in segments
    ]
    return np.concatenate(parts, axis=1) if parts else np.zeros((BERT_CHANNELS, 0), dtype=np.float32)
