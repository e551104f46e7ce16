"""When each word of a line is said: tokens are 40 ms each, and attention says which phone each of them says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.gpt.alignment import align
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.parts import Part, Word
from voicemill.gpt_sovits.synthesis.script import Prompt
from voicemill.text import Reading
from voicemill.text.units import spans, units

LEAD_TOKENS = 1.5
"""How much later a word is heard than its phones are read: measured against flite (benchmarks/word_times.py)."""


def fragment_times(
    decoder: Decoder,
    fragment: Fragment,
    tokens: Tensor,
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
        torch.cat([piece.bert_CX for piece in pieces], dim=1),
        tokens.long() if before is None else torch.cat([before.long(), tokens.long()]),
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


def line_times(text: str, parts: Sequence[Part], pause_seconds: float, rate: int = SAMPLE_RATE) -> list[dict[str, Any]]:
    """Return the words of a line as reports have them: `text` as its author wrote it, `start` and `end` in seconds.

    Args:
        text: The line.
        parts: Its parts with their words and sounds.
        pause_seconds: Silence after each.
        rate: Sampling rate of the sounds, in Hz.
    """
    begin, words = 0, []
    for part in parts:
        offset = begin / rate
        words += [Word(word.text, offset + word.start, offset + word.end) for word in part.words]
        begin += len(part.sound) + int(rate * pause_seconds)
    places = spans(text, [word.text for word in words])
    return [
        {"text": text[start:end] or word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
        for word, (start, end) in zip(words, places, strict=True)
    ]
