"""Sound of a fragment while its tokens are still being chosen: chunk by chunk, each faded into the one before.

The prior reads all tokens that there are; flow and vocoder make only the frames that are needed, with as much before
them as they hear. Noise depends on a frame's place, so that two chunks agree where they overlap. A frame near the end
of what is known would sound a little different if the models had heard what follows: a chunk ends `ahead` tokens
before the last one, and the rest of the difference is faded over.

Shapes: L samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND

CONTEXT = 24
"""Tokens before a chunk that flow (16) and vocoder (6) hear, and a few more."""


@dataclass(frozen=True)
class Chunking:
    """How large chunks are, in tokens of 40 ms.

    Attributes:
        first: The first chunk: the smaller, the sooner something is heard.
        growth: How many times as long each next one is, for every chunk reads the whole fragment again.
        longest: None is longer.
        ahead: Tokens after a chunk that must be known.
        overlap: Length of the fade from a chunk to the next.
    """

    first: int = 12
    growth: float = 2.0
    longest: int = 100
    ahead: int = 8
    overlap: int = 1


Stretch = Callable[[Sequence[int], int], np.ndarray]
"""(tokens, a token) -> samples from that token on, float32."""


class ChunkedSound:
    """The sound of one fragment, at a speed of 1.

    Args:
        stretch: Makes it of all the fragment's tokens so far.
        rate: Sampling rate in Hz.
        chunking: How it is cut.
    """

    def __init__(self, stretch: Stretch, rate: int, chunking: Chunking):
        self.stretch, self.chunking = stretch, chunking
        self.samples_of_token = rate // TOKENS_PER_SECOND
        self.done = 0
        self.tail_L = np.zeros(0, dtype=np.float32)
        self._size = float(chunking.first)

    @property
    def wanted(self) -> int:
        """How many tokens the next chunk needs."""
        return self.done + int(self._size) + self.chunking.ahead

    def extend(self, tokens: Sequence[int], *, is_last: bool) -> np.ndarray:
        """Return samples that can be heard now `[L]`.

        Args:
            tokens: All tokens of the fragment so far; at least `wanted`, unless these are all.
            is_last: Whether these are all.
        """
        overlap = min(self.chunking.overlap, self.done)
        end = len(tokens) if is_last else len(tokens) - self.chunking.ahead
        start = max(0, self.done - overlap - CONTEXT)
        wav_L = self.stretch(tokens, start)
        made_L = wav_L[(self.done - overlap - start) * self.samples_of_token : (end - start) * self.samples_of_token]
        made_L = self._faded(made_L)
        self.done, self._size = end, min(self._size * self.chunking.growth, self.chunking.longest)
        if is_last:
            return made_L
        kept = self.chunking.overlap * self.samples_of_token
        self.tail_L = made_L[-kept:]
        return made_L[:-kept]

    def _faded(self, made_L: np.ndarray) -> np.ndarray:
        """Return the samples after a fade from the end of the chunk before; the two agree but for small differences."""
        if not len(self.tail_L):
            return made_L
        overlap = len(self.tail_L)
        rise_L = ((np.arange(overlap) + 0.5) / overlap).astype(np.float32)
        mixed_L = self.tail_L + (made_L[:overlap] - self.tail_L) * rise_L
        return np.concatenate([mixed_L, made_L[overlap:]])
