"""Beam search for the likeliest tokens of a whole line, where greedy choices may run into gibberish.

Several beginnings are kept; each is resumed from with every token, and the likeliest of all that gives are kept again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.decoder import TokenDecoder
from voicemill.gpt_sovits.gpt.sampling import penalise


@dataclass(frozen=True)
class _Beam:
    """A beginning of the line, in the row of the cache that is its place among the beams.

    Attributes:
        spoken: Its tokens.
        score: The sum of their log-probabilities.
    """

    spoken: list[int]
    score: float


@torch.inference_mode()
def search(
    decoder: TokenDecoder,
    phones_X: Tensor,
    bert_CX: Tensor,
    prompt_Y: Tensor,
    *,
    num_beams: int,
    repetition_penalty: float,
    min_tokens: int,
    max_tokens: int,
) -> list[int]:
    """Speak the tokens of one line whose log-probability, EOS's included, is highest a token.

    Args:
        decoder: The model; rows of its cache from the first on are used.
        phones_X: Phoneme ids, those of the prompt first.
        bert_CX: BERT rows `[1024, X]`.
        prompt_Y: Tokens that precede the line's own, perhaps none.
        num_beams: Beginnings that are kept.
        repetition_penalty: See `sampling.penalise`.
        min_tokens: EOS cannot be chosen before so many.
        max_tokens: Most tokens; where no beginning has ended by then, the likeliest is cut off there.
    """
    vocabulary, eos, device = decoder.config.vocab_size, decoder.config.eos, decoder.device
    before = len(phones_X) + len(prompt_Y)
    decoder.reserve(num_beams, before + min(256, max_tokens))
    logits_BV = decoder.enter(0, phones_X, bert_CX, prompt_Y)
    seen_BV = torch.zeros(1, vocabulary, dtype=torch.bool, device=device)
    seen_BV[:, prompt_Y.to(device)] = True
    kept, parents, ended = [_Beam([], 0.0)], [0], []
    for step in range(max_tokens):
        if step:
            last_B = torch.tensor([beam.spoken[-1] for beam in kept], device=device)
            seen_BV = seen_BV[parents].scatter(1, last_B.unsqueeze(1), True)
            decoder.cache.take(parents)
            filled = before + step - 1
            if filled >= decoder.cache.capacity:
                decoder.reserve(num_beams, 2 * decoder.cache.capacity)
            positions, lengths = [len(prompt_Y) + step - 1] * len(kept), [filled] * len(kept)
            logits_BV = decoder.step(last_B.tolist(), positions, lengths)
        if step < min_tokens:
            logits_BV[:, eos] = -torch.inf
        gained_BV = penalise(logits_BV, seen_BV, repetition_penalty).log_softmax(-1)
        scores_BV = gained_BV + torch.tensor([beam.score for beam in kept], device=device).unsqueeze(1)
        # At most one of a beam's successors ends, so that enough of twice as many go on.
        best = scores_BV.flatten().topk(min(2 * num_beams, scores_BV.numel()))
        kept, parents = _successors(
            kept, best.values.tolist(), best.indices.tolist(), num_beams, vocabulary, eos, ended
        )
        if len(ended) >= num_beams:
            break
    if not ended:
        return max(kept, key=lambda beam: beam.score).spoken
    return max(ended, key=lambda beam: beam.score / (len(beam.spoken) + 1)).spoken


def _successors(
    kept: list[_Beam],
    scores: list[float],
    places: list[int],
    num_beams: int,
    vocabulary: int,
    eos: int,
    ended: list[_Beam],
) -> tuple[list[_Beam], list[int]]:
    """Return the likeliest beams with a token more, and where each comes from; those that end go to `ended`."""
    following: list[_Beam] = []
    parents: list[int] = []
    for score, place in zip(scores, places, strict=True):
        parent, token = divmod(place, vocabulary)
        if score == -torch.inf or len(following) == num_beams:
            break
        if token == eos:
            ended.append(_Beam(kept[parent].spoken, score))
        else:
            following.append(_Beam([*kept[parent].spoken, token], score))
            parents.append(parent)
    return following, parents
