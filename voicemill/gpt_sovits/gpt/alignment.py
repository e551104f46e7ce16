"""Which phone is said at which token, by what the token model's attention reads.

Some heads read the phones one after the other while a line is spoken, in the small base because it was trained to
(`losses.off_guide`), in others because it helps. Which heads do is found for each line: those whose attention fits a
path through the phones best. (Whisper's word times go the same way with heads chosen beforehand: openai/whisper,
timing.py.)

Names of shapes: X phones of the line, Y tokens, H heads, K chosen heads
"""

from __future__ import annotations

import heapq

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.decoder import Decoder

HEADS = 4
"""Heads that are averaged: one alone may lose its place."""

STEP_COSTS = (0.0, 0.0, 1.0, 2.0)
"""Of staying at a phone, of going on to the next one, and of passing over one or two, in nats."""

EDGE_COST = 1.0
"""Of each phone that is passed over before the first token and after the last one."""

_FLOOR = 1e-4


@torch.inference_mode()
def align(
    decoder: Decoder,
    phones_X: Tensor,
    bert_CX: Tensor,
    tokens_Y: Tensor,
    *,
    prompt_phones: int = 0,
    prompt_tokens: int = 0,
) -> Tensor:
    """Return the phone that is said at each token.

    Args:
        decoder: The model that spoke the tokens, or any other.
        phones_X: Phone ids, those of the prompt first.
        bert_CX: BERT rows `[1024, X]`.
        tokens_Y: Tokens, those of the prompt first.
        prompt_phones: Phones that are the prompt's.
        prompt_tokens: Tokens that are the prompt's.

    Returns:
        int64 `[Y - prompt_tokens]`, never falling, of the phones after the prompt's counted from 0; empty without
        phones or tokens.
    """
    phones, tokens = len(phones_X) - prompt_phones, len(tokens_Y) - prompt_tokens
    if phones == 0 or tokens == 0:
        return torch.zeros(0, dtype=torch.long)
    if tokens * (len(STEP_COSTS) - 1) < phones:
        return torch.arange(tokens) * phones // tokens
    best: list[tuple[float, int, Tensor]] = []
    for read_HYX in decoder.readings(phones_X, bert_CX, tokens_Y):
        read_HYX = read_HYX[:, prompt_tokens:, prompt_phones:].float().cpu()
        for fit, read_YX in zip(_path(read_HYX)[0].tolist(), read_HYX, strict=True):
            entry = (fit, len(best), read_YX)
            if len(best) < HEADS:
                heapq.heappush(best, entry)
            elif fit > best[0][0]:
                heapq.heapreplace(best, (fit, best[0][1], read_YX))
    mean_YX = torch.stack([read_YX for *_, read_YX in best]).mean(0)
    return _path(mean_YX[None])[1][0]


def _path(read_HYX: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best path through the phones by each head (Viterbi 1967), and how well it fits.

    Returns:
        Log-likelihoods `[H]` and phones `[H, Y]`.
    """
    H, Y, X = read_HYX.shape
    score_HYX = read_HYX.clamp(min=_FLOOR).log()
    edge_X = EDGE_COST * torch.arange(X)
    reached_HX = score_HYX[:, 0] - edge_X
    steps_HYX = torch.zeros(H, Y, X, dtype=torch.long)
    for at in range(1, Y):
        ways = reached_HX.new_full((len(STEP_COSTS), H, X), -torch.inf)
        for step, cost in enumerate(STEP_COSTS[:X]):
            ways[step, :, step:] = reached_HX[:, : X - step] - cost
        before_HX, steps_HYX[:, at] = ways.max(0)
        reached_HX = before_HX + score_HYX[:, at]
    fit_H, phone_H = (reached_HX - edge_X.flip(0)).max(1)
    path_HY = torch.zeros(H, Y, dtype=torch.long)
    rows_H = torch.arange(H)
    for at in range(Y - 1, -1, -1):
        path_HY[:, at] = phone_H
        phone_H = phone_H - steps_HYX[rows_H, at, phone_H]
    return fit_H, path_HY
