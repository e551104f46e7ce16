"""Speaks tokens, many lines at once: a line that has ended leaves the batch, and one that waits takes its place.

Where the likeliest whole line is looked for (`Sampling.num_beams`), the rows of the batch are beginnings of one line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt import beam_search
from voicemill.gpt_sovits.gpt.batch import MIN_TOKENS, Batch, Line
from voicemill.gpt_sovits.gpt.decoder import Decoder, TokenDecoder
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.sampling import Sampling

__all__ = ["MAX_TOKENS", "MIN_TOKENS", "Sampling", "generate", "likeliest"]

AS_REFERENCE = Sampling()
MAX_TOKENS = 1500
"""One minute of speech: no line gets longer, whatever it says."""


@torch.inference_mode()
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
    none = torch.zeros(0, dtype=torch.long)
    lines = [
        Line(phones_X, bert_CX, none if prompt is None else prompt.long().cpu(), min(limit, MAX_TOKENS), seed, sampling)
        for phones_X, bert_CX, prompt, limit, seed in zip(phones, bert, prompts, max_tokens, seeds, strict=True)
    ]
    if sampling.num_beams > 1:
        return [likeliest(decoder, line) for line in lines]
    waiting = deque(line for line in lines if line.limit > 0)
    if waiting:
        batch = Batch(decoder, min(rows or len(lines), len(waiting)))
        batch.reserve(max(line.cached for line in waiting) + min(256, max(line.limit for line in waiting)))
        while waiting or batch.lines:
            while waiting and batch.free:
                batch.enter(waiting.popleft())
            batch.step()
    return [torch.tensor(line.spoken, dtype=torch.long) for line in lines]


def likeliest(decoder: TokenDecoder, line: Line) -> Tensor:
    """Return the likeliest tokens of a line `[T]`; whatever else the decoder's cache holds is lost."""
    spoken = beam_search.search(
        decoder,
        line.phones_X,
        line.bert_CX,
        line.prompt_Y,
        num_beams=line.sampling.num_beams,
        repetition_penalty=line.sampling.repetition_penalty,
        min_tokens=MIN_TOKENS,
        max_tokens=line.limit,
    )
    return torch.tensor(spoken, dtype=torch.long)
