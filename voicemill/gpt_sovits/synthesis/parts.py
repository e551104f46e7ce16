"""Fragments on their way through the models."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.gpt.data import MIN_PHONES_PER_SECOND
from voicemill.gpt_sovits.gpt.decoding import MAX_TOKENS
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.script import Script

Noise = Callable[[int, tuple[int, ...]], Tensor]
"""Standard normal noise of a seed and a shape."""


@dataclass(frozen=True)
class Word:
    """A word, and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass
class Part:
    """A fragment on its way through the models."""

    line: int
    index: int
    fragment: Fragment
    script: Script
    tokens: Tensor = field(default_factory=lambda: torch.empty(0))
    sound: Tensor = field(default_factory=lambda: torch.empty(0))
    cut_off: bool = False
    words: list[Word] = field(default_factory=list)

    def seed(self, purpose: str) -> int:
        """Return a seed of this fragment's own, of its line's seed and its place in the line."""
        digest = hashlib.sha256(f"{self.script.seed}/{self.index}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:7], "little")


def padded(rows: list[Tensor]) -> Tensor:
    """Return the rows of different lengths as one tensor, zeros after the shorter ones."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def token_limit(fragment: Fragment, most: int | None) -> int:
    """Most tokens of a fragment: as asked, or what its phones need at the slowest pace in the training data."""
    slowest = TOKENS_PER_SECOND * (math.ceil(len(fragment.phones) / MIN_PHONES_PER_SECOND) + 1)
    return min(MAX_TOKENS, most or slowest)


def report_of(
    script: Script, parts: list[Part], seconds: float, watermark: str = "", words: list[Any] | None = None
) -> dict[str, Any]:
    """Return what was said of a script and how; see `Speech.report`."""
    return {
        "seconds": round(seconds, 3),
        "speed": script.speed,
        "seed": script.seed,
        "unpronounced": [asdict(sign) for sign in script.unpronounced],
        **({} if words is None else {"words": words}),
        "watermark": watermark,
        "cut_off": sum(part.cut_off for part in parts),
        "fragments": [
            {"text": part.fragment.text, "tokens": len(part.tokens), "cut_off": part.cut_off} for part in parts
        ],
    }
