"""From scores to tokens: repetition penalty, then a draw, by torch or by NumPy alike.

Shapes: B rows in use, R rows that are chosen alike, V token vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

import numpy as np

from voicemill.gpt_sovits import noise
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.lines import MIN_TOKENS, Line, Sampling

Array = Any
"""A torch.Tensor on the decoder's device, or a numpy.ndarray."""


class Arrays(Protocol):
    """What torch and NumPy call differently."""

    def inference(self) -> AbstractContextManager:
        """Return the context that it computes in."""
        ...

    def zeros(self, shape: tuple[int, ...], kind: type) -> Array:
        """Return zeros: bool, int or float (single precision)."""
        ...

    def of(self, values: Any) -> Array:
        """Return NumPy's array, or a list of numbers, as one of its own."""
        ...

    def joined(self, rows: Sequence[Array]) -> Array:
        """Return arrays one after the other."""
        ...

    def where(self, condition: Array, first: Any, second: Any) -> Array:
        """Return the first where the condition holds, the second elsewhere."""
        ...

    def picked(self, table: Array, rows: Sequence[int], places: Sequence[int]) -> Array:
        """Return `table[row, place]` of each pair."""
        ...

    def probabilities(self, scores_RV: Array, *, top_k: int, top_p: float, temperature: float) -> Array:
        """Return the distribution to draw from; see `sampling.probabilities`."""
        ...

    def log_softmax(self, scores_RV: Array) -> Array:
        """Return logarithms of probabilities."""
        ...

    def best(self, scores: Array, count: int) -> tuple[list[float], list[int]]:
        """Return so many of the highest scores, the highest first, and their places in the flattened array."""
        ...


class Rows(Protocol):
    """A cache of keys and values, a row for each line."""

    capacity: int

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        ...

    def take(self, rows: list[int]) -> None:
        """Put rows, of which one may come several times, in the place of the first ones."""
        ...


class TokenDecoder(Protocol):
    """What speaks tokens: a model ready to read lines into rows of a cache and to append a token to each."""

    config: GptConfig

    @property
    def arrays(self) -> Arrays: ...
    @property
    def cache(self) -> Rows: ...

    def with_own_cache(self) -> Self:
        """Return a decoder of the same weights that speaks other lines meanwhile."""
        ...

    def reserve(self, rows: int, positions: int) -> None:
        """Make room in the cache; what is in it stays."""
        ...

    def enter(self, row: int, phones_X: np.ndarray, bert_CX: np.ndarray, prompt_Y: np.ndarray) -> Array:
        """Read a line's text and prompt into a row of the cache; scores of its first token `[1, V]`."""
        ...

    def step(self, tokens: list[int], positions: list[int], lengths: list[int]) -> Array:
        """Append a token to each of the first rows; scores of the next ones `[B, V]`.

        Args:
            tokens: The last token of each row.
            positions: Their places among the row's tokens, the prompt's included.
            lengths: How much of each row's cache is filled.
        """
        ...


def penalise(arrays: Arrays, scores_BV: Array, seen_BV: Array, penalty: float) -> Array:
    """Make tokens that were already spoken less likely, each once however often it was spoken (Keskar et al. 2019)."""
    if penalty == 1.0:
        return scores_BV
    lowered_BV = arrays.where(scores_BV < 0, scores_BV * penalty, scores_BV / penalty)
    return arrays.where(seen_BV, lowered_BV, scores_BV)


def draw(probs_RV: Array, exponential_RV: Array) -> Array:
    """Draw a token of each row `[R]`, given noise of the exponential distribution with mean 1.

    The smallest of independent waiting times with rates p is the k-th with probability p_k (the exponential form of the
    Gumbel-max trick).
    """
    return (probs_RV / exponential_RV).argmax(-1)


class RowNoise:
    """Exponential noise for rows that each have a seed of their own.

    A row's noise depends on its seed and step only: neither on its neighbours in the batch nor on the device, since it
    is always drawn on the CPU, a block of steps at a time.
    """

    BLOCK = 32

    def __init__(self, rows: int, vocabulary: int, arrays: Arrays):
        self.arrays, self.vocabulary = arrays, vocabulary
        self.twisters = [noise.twister(0) for _ in range(rows)]
        self.blocks_BTV = arrays.zeros((rows, self.BLOCK, vocabulary), float)

    def enter(self, row: int, seed: int) -> None:
        """Begin a row anew."""
        self.twisters[row] = noise.twister(seed)

    def step(self, steps: dict[int, int]) -> Array:
        """Noise `[R, V]` of some rows, each at its own step; a row's steps are asked for in order."""
        for row, step in steps.items():
            if step % self.BLOCK == 0:
                drawn = noise.exponential(self.twisters[row], self.BLOCK * self.vocabulary)
                self.blocks_BTV[row] = self.arrays.of(drawn.reshape(self.BLOCK, self.vocabulary))
        return self.arrays.picked(self.blocks_BTV, list(steps), [step % self.BLOCK for step in steps.values()])

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        self.twisters[target] = self.twisters[source]
        self.blocks_BTV[target] = self.blocks_BTV[source]


class Chooser:
    """Chooses the next token of each row of a batch.

    Args:
        decoder: Whose scores.
        rows: Most rows.
    """

    def __init__(self, decoder: TokenDecoder, rows: int):
        self.arrays, self.eos, self.rows = decoder.arrays, decoder.config.eos, rows
        self.vocabulary = decoder.config.vocab_size
        self.seen_BV = self.arrays.zeros((rows, self.vocabulary), bool)
        self.noise: RowNoise | None = None

    def enter(self, row: int, line: Line) -> None:
        """Begin a row anew."""
        self.seen_BV[row] = False
        self.seen_BV[row, self.arrays.of(line.prompt_Y)] = True
        if line.sampling.top_k > 1:
            if self.noise is None:
                self.noise = RowNoise(self.rows, self.vocabulary, self.arrays)
            self.noise.enter(row, line.seed)

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        self.seen_BV[target] = self.seen_BV[source]
        if self.noise:
            self.noise.move(source, target)

    def choose(self, scores_BV: Array, lines: Sequence[Line]) -> list[int]:
        """Return the next token of each line."""
        early = [row for row, line in enumerate(lines) if len(line.spoken) < MIN_TOKENS]
        if early:
            scores_BV[early, self.eos] = -np.inf
        manners = {line.sampling for line in lines}
        if len(manners) == 1:
            token_B = self._draw(scores_BV, list(range(len(lines))), manners.pop(), lines)
        else:
            token_B = self.arrays.zeros((len(lines),), int)
            for sampling in manners:
                rows = [row for row, line in enumerate(lines) if line.sampling == sampling]
                token_B[rows] = self._draw(scores_BV[rows], rows, sampling, lines)
        self.seen_BV[self.arrays.of(np.arange(len(lines))), token_B] = True
        return token_B.tolist()

    def _draw(self, scores_RV: Array, rows: list[int], sampling: Sampling, lines: Sequence[Line]) -> Array:
        """Return the next token `[R]` of some rows that are spoken alike."""
        seen_RV = self.seen_BV[: len(rows)] if len(rows) == len(lines) else self.seen_BV[rows]
        scores_RV = penalise(self.arrays, scores_RV, seen_RV, sampling.repetition_penalty)
        best_R = scores_RV.argmax(-1)
        if sampling.top_k == 1:
            return best_R
        assert self.noise
        noise_RV = self.noise.step({row: len(lines[row].spoken) for row in rows})
        manner = {"top_k": sampling.top_k, "top_p": sampling.top_p, "temperature": sampling.temperature}
        # A line ends as soon as EOS is its best token, even where another one was drawn.
        drawn_R = draw(self.arrays.probabilities(scores_RV, **manner), noise_RV)
        return self.arrays.where(best_R == self.eos, self.eos, drawn_R)
