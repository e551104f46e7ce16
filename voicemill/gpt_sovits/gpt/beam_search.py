"""Beam search for the likeliest tokens of a whole line, where greedy choices may run into gibberish.

Several beginnings are kept; each is resumed from with every token, and the likeliest of all that gives are kept again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicemill.gpt_sovits.gpt.choosing import TokenDecoder, penalise
from voicemill.gpt_sovits.gpt.lines import Line


@dataclass(frozen=True)
class _Beam:
    """A beginning of the line, in the row of the cache that is its place among the beams.

    Attributes:
        spoken: Its tokens.
        score: The sum of their log-probabilities.
    """

    spoken: list[int]
    score: float


def search(decoder: TokenDecoder, line: Line, *, min_tokens: int) -> list[int]:
    """Speak the tokens of a line whose log-probability, EOS's included, is highest a token.

    Args:
        decoder: The model; rows of its cache from the first on are used.
        line: What to speak, and among how many beginnings; where none has ended by the line's limit, the likeliest is
            cut off there.
        min_tokens: EOS cannot be chosen before so many.
    """
    arrays, eos, num_beams = decoder.arrays, decoder.config.eos, line.sampling.num_beams
    before = line.cached
    decoder.reserve(num_beams, before + min(256, line.limit))
    scores_BV = decoder.enter(0, line.phones_X, line.bert_CX, line.prompt_Y)
    seen_BV = arrays.zeros((1, decoder.config.vocab_size), bool)
    seen_BV[:, arrays.of(line.prompt_Y)] = True
    kept, parents, ended = [_Beam([], 0.0)], [0], []
    for step in range(line.limit):
        if step:
            last = [beam.spoken[-1] for beam in kept]
            seen_BV = seen_BV[parents]
            seen_BV[list(range(len(last))), last] = True
            decoder.cache.take(parents)
            filled = before + step - 1
            if filled >= decoder.cache.capacity:
                decoder.reserve(num_beams, 2 * decoder.cache.capacity)
            positions, lengths = [len(line.prompt_Y) + step - 1] * len(kept), [filled] * len(kept)
            scores_BV = decoder.step(last, positions, lengths)
        if step < min_tokens:
            scores_BV[:, eos] = -np.inf
        penalised_BV = penalise(arrays, scores_BV, seen_BV, line.sampling.repetition_penalty)
        so_far_B1 = arrays.of(np.array([[beam.score] for beam in kept], dtype=np.float32))
        # At most one of a beam's successors ends, so that enough of twice as many go on.
        scores, places = arrays.best(arrays.log_softmax(penalised_BV) + so_far_B1, 2 * num_beams)
        kept, parents = _successors(kept, scores, places, num_beams, decoder.config.vocab_size, eos, ended)
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
        if score == -np.inf or len(following) == num_beams:
            break
        if token == eos:
            ended.append(_Beam(kept[parent].spoken, score))
        else:
            following.append(_Beam([*kept[parent].spoken, token], score))
            parents.append(parent)
    return following, parents
