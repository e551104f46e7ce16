"""Speaks tokens, many lines at once: a line that has ended leaves the batch, and one that waits takes its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.batch import speak
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.lines import MAX_TOKENS, Line, Sampling
from voicemill.gpt_sovits.gpt.model import Gpt

AS_REFERENCE = Sampling()


def generate(
    model: Gpt | TokenDecoder,
    phones: Sequence[Tensor],
    bert: Sequence[Tensor],
    prompts: Sequence[Tensor | None],
    sampling: Sampling = AS_REFERENCE,
    *,
    max_tokens: Sequence[int],
    seeds: Sequence[int],
    rows: int | None = None,
) -> list[Tensor]:
    """Speak tokens for several lines at once.

    Each line's tokens depend on that line and its seed only (up to the rounding of batched arithmetic).

    Args:
        model: In eval mode; a decoder made of it once saves making one here.
        phones: Phoneme ids `[X]` of each line, those of the prompt first.
        bert: BERT rows `[1024, X]` of each line.
        prompts: Tokens `[Y]` that precede each line's own; None or empty for a line without a prompt.
        sampling: How tokens are chosen; `top_k=1` is greedy.
        max_tokens: Most tokens for each line; what goes on beyond is cut off there.
        seeds: Seed of each line.
        rows: Lines that are spoken at once, the others wait for their turn in the order given; None takes all.

    Returns:
        The tokens of each line `[T]`, on the CPU: without the prompt, without EOS.
    """
    decoder = Decoder(model) if isinstance(model, Gpt) else model
    lines = [
        Line(_array(phones_X), _array(bert_CX), _array(prompt), min(limit, MAX_TOKENS), seed, sampling)
        for phones_X, bert_CX, prompt, limit, seed in zip(phones, bert, prompts, max_tokens, seeds, strict=True)
    ]
    speak(decoder, lines, rows or len(lines))
    return [torch.tensor(line.spoken, dtype=torch.long) for line in lines]


def _array(given: Tensor | None) -> np.ndarray:
    return np.zeros(0, dtype=np.int64) if given is None else given.detach().cpu().numpy()
