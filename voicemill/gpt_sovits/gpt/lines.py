"""Lines of tokens to be spoken, and how.

Shapes: X phonemes, Y tokens of a prompt, C = 1024 BERT channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MIN_TOKENS = 11
"""EOS cannot be chosen before this many tokens (0.44 s)."""
MAX_TOKENS = 1500
"""One minute of speech: no line gets longer, whatever it says."""


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


@dataclass(eq=False)
class Line:
    """A line to speak.

    Attributes:
        phones_X: Phoneme ids, int64, those of the prompt first.
        bert_CX: BERT rows, float32.
        prompt_Y: Tokens that precede its own, int64; may be empty.
        limit: Most tokens; what goes on beyond is cut off there.
        seed: Its tokens depend on this and on the line only, up to the rounding of batched arithmetic.
        sampling: How tokens are chosen.
        spoken: Its tokens so far, without EOS.
        cached: Positions in the cache.
    """

    phones_X: np.ndarray
    bert_CX: np.ndarray
    prompt_Y: np.ndarray
    limit: int
    seed: int
    sampling: Sampling = Sampling()
    spoken: list[int] = field(default_factory=list)
    cached: int = 0

    def __post_init__(self) -> None:
        self.cached = len(self.phones_X) + len(self.prompt_Y)
