"""When each word of a line is said: tokens are 40 ms each, and attention says which phone each of them says."""

from __future__ import annotations

import numpy as np
import torch

from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.gpt.alignment import align
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.parts import Part, Word
from voicemill.gpt_sovits.synthesis.script import Prompt
from voicemill.text import Reading
from voicemill.text.units import units

LEAD_TOKENS = 1.5
"""How much later a word is heard than its phones are read: measured against flite (benchmarks/word_times.py)."""


def fragment_times(
    decoder: Decoder,
    fragment: Fragment,
    tokens: np.ndarray,
    version: str,
    reading: Reading,
    *,
    prompt: Prompt | None = None,
) -> list[Word]:
    """Return when each word of a fragment is said.

    Args:
        decoder: A token model.
        fragment: What is said.
        tokens: Its tokens `[T]`.
        version: Model version.
        reading: By which it was pronounced.
        prompt: What preceded it.

    Returns:
        Words with a sound, in order, in seconds from the first token at a speed of 1; they do not overlap.
    """
    text, before = (prompt.text, prompt.tokens) if prompt else (None, None)
    pieces = [*([text] if text else []), fragment]
    path = align(
        decoder,
        torch.tensor([phone for piece in pieces for phone in piece.phones]),
        torch.from_numpy(np.concatenate([piece.bert_CX for piece in pieces], axis=1)),
        torch.from_numpy(tokens if before is None else np.concatenate([before, tokens])).long(),
        prompt_phones=len(text.phones) if text else 0,
        prompt_tokens=0 if before is None else len(before),
    )
    seconds = len(tokens) / TOKENS_PER_SECOND
    words: list[Word] = []
    for unit in units(fragment.segments, version, reading):
        first, last = torch.searchsorted(path, torch.tensor([unit.first, unit.last])).tolist()
        start, end = ((at + LEAD_TOKENS) / TOKENS_PER_SECOND for at in (first, last))
        start = min(max(start, words[-1].end if words else 0.0), seconds)
        words.append(Word(unit.text, start, min(max(end, start), seconds)))
    return words


def part_times(
    decoder: Decoder, part: Part, prompt: Prompt, version: str, reading: Reading, rate: int = SAMPLE_RATE
) -> list[Word]:
    """Return when each word of a part is heard, in seconds from its begin, at the speed at which it is spoken."""
    words = fragment_times(decoder, part.fragment, part.tokens, version, reading, prompt=prompt)
    pace = len(part.sound) / rate / (len(part.tokens) / TOKENS_PER_SECOND) if len(part.tokens) else 0.0
    return [Word(word.text, word.start * pace, word.end * pace) for word in words]
