"""Speaks tokens, many lines at once: a line that has ended leaves the batch, and one that waits takes its place.

Where the likeliest whole line is looked for (`Sampling.num_beams`), the rows of the batch are beginnings of one line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt import beam_search
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.sampling import RowNoise, draw, penalise, probabilities

MAX_TOKENS = 1500
"""One minute of speech: no line gets longer, whatever it says."""

MIN_TOKENS = 11
"""EOS cannot be chosen before this many tokens (0.44 s)."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are the reference's.

    Attributes:
        num_beams: More than 1 looks for the likeliest whole line among so many beginnings at a time, and draws nothing;
            of the others only the repetition penalty then matters.
    """

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    num_beams: int = 1

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], not {self.top_p}")
        if self.temperature < 0:
            raise ValueError(f"temperature must not be negative, not {self.temperature}")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty must be positive, not {self.repetition_penalty}")
        if self.num_beams < 1:
            raise ValueError(f"num_beams must be at least 1, not {self.num_beams}")


@dataclass
class _Line:
    """A line in a row of the batch.

    Attributes:
        index: Its place among the lines that are to be spoken.
        prompt: Tokens of its prompt.
        cached: Positions in the cache.
        limit: Most tokens.
        spoken: Its tokens so far.
    """

    index: int
    prompt: int
    cached: int
    limit: int
    spoken: list[int] = field(default_factory=list)


@torch.inference_mode()
def generate(
    model: Gpt | Decoder,
    phones: Sequence[Tensor],
    bert: Sequence[Tensor],
    prompts: Sequence[Tensor | None],
    sampling: Sampling = Sampling(),
    *,
    max_tokens: Sequence[int],
    seeds: Sequence[int],
    rows: int | None = None,
) -> list[Tensor]:
    """Speak tokens for several lines at once.

    Each line's tokens depend on that line and its seed only (up to the rounding of batched arithmetic).

    Args:
        model: In eval mode; a `Decoder` made of it once saves making one here.
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
    decoder = model if isinstance(model, Decoder) else Decoder(model)
    none = torch.zeros(0, dtype=torch.long)
    prompts_long = [none if prompt is None else prompt.long().cpu() for prompt in prompts]
    if sampling.num_beams > 1:
        limits = [min(limit, MAX_TOKENS) for limit in max_tokens]
        given = zip(phones, bert, prompts_long, limits, strict=True)
        return [
            _likeliest(decoder, phones_X, bert_CX, prompt, limit, sampling)
            for phones_X, bert_CX, prompt, limit in given
        ]
    lines = [
        _Line(index, len(prompt), len(phones[index]) + len(prompt), min(limit, MAX_TOKENS))
        for index, (prompt, limit) in enumerate(zip(prompts_long, max_tokens, strict=True))
    ]
    waiting = deque(line for line in lines if line.limit > 0)
    active: list[_Line] = []
    rows = min(rows or len(lines), len(waiting))
    vocabulary, eos = decoder.config.vocab_size, decoder.config.eos
    seen_BV = torch.zeros(rows, vocabulary, dtype=torch.bool, device=decoder.device)
    noise = RowNoise(rows, vocabulary, decoder.device) if sampling.top_k > 1 else None
    if waiting:
        longest = max(line.cached for line in waiting)
        decoder.reserve(rows, longest + min(256, max(line.limit for line in waiting)))

    while waiting or active:
        logits = [_step(decoder, active)] if active else []
        while waiting and len(active) < rows:
            line, row = waiting.popleft(), len(active)
            prompt = prompts_long[line.index]
            logits.append(decoder.enter(row, phones[line.index], bert[line.index], prompt))
            seen_BV[row] = False
            seen_BV[row, prompt.to(decoder.device)] = True
            if noise:
                noise.enter(row, seeds[line.index])
            active.append(line)

        steps = [len(line.spoken) for line in active]
        seen = seen_BV[: len(active)]
        token_B = _choose(torch.cat(logits), seen, steps, eos, sampling, noise)
        seen.scatter_(1, token_B.unsqueeze(1), True)
        for row, token in reversed(list(enumerate(token_B.tolist()))):
            line = active[row]
            if token != eos:
                line.spoken.append(token)
            if token == eos or len(line.spoken) >= line.limit:
                last = len(active) - 1
                if row != last:
                    active[row] = active[last]
                    decoder.cache.move(last, row)
                    seen_BV[row] = seen_BV[last]
                    if noise:
                        noise.move(last, row)
                active.pop()

    return [torch.tensor(line.spoken, dtype=torch.long) for line in lines]


def _likeliest(
    decoder: Decoder, phones_X: Tensor, bert_CX: Tensor, prompt_Y: Tensor, limit: int, sampling: Sampling
) -> Tensor:
    """Return the likeliest tokens of a line `[T]`."""
    spoken = beam_search.search(
        decoder,
        phones_X,
        bert_CX,
        prompt_Y,
        num_beams=sampling.num_beams,
        repetition_penalty=sampling.repetition_penalty,
        min_tokens=MIN_TOKENS,
        max_tokens=limit,
    )
    return torch.tensor(spoken, dtype=torch.long)


def _step(decoder: Decoder, active: list[_Line]) -> Tensor:
    """Scores `[B, V]` of what follows each line's last token."""
    longest = max(line.cached for line in active)
    if longest >= decoder.cache.capacity:
        decoder.reserve(len(active), 2 * decoder.cache.capacity)
    logits_BV = decoder.step(
        [line.spoken[-1] for line in active],
        [line.prompt + len(line.spoken) - 1 for line in active],
        [line.cached for line in active],
    )
    for line in active:
        line.cached += 1
    return logits_BV


def _choose(
    logits_BV: Tensor, seen_BV: Tensor, steps: list[int], eos: int, sampling: Sampling, noise: RowNoise | None
) -> Tensor:
    """Return the next token of each row `[B]`."""
    early = [row for row, step in enumerate(steps) if step < MIN_TOKENS]
    if early:
        logits_BV[early, eos] = -torch.inf
    logits_BV = penalise(logits_BV, seen_BV, sampling.repetition_penalty)
    best_B = logits_BV.argmax(-1)
    if not noise:
        return best_B
    probs_BV = probabilities(logits_BV, top_k=sampling.top_k, top_p=sampling.top_p, temperature=sampling.temperature)
    # A line ends as soon as EOS is its best token, even where another one was drawn.
    return draw(probs_BV, noise.step(steps)).masked_fill(best_B == eos, eos)
