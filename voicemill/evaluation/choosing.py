"""Which pair of checkpoints is the best, how sure that is, and which others are as good."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voicemill.core.errors import InputError
from voicemill.evaluation import intervals
from voicemill.evaluation.metrics import Measure, resampled_score
from voicemill.evaluation.score import TIE

_EPOCH = re.compile(r"_e(\d+)")


def epoch_of(name: str) -> int:
    """Return the epoch that a weights file was saved after, by its name; 0 if the name does not say."""
    match = _EPOCH.search(name)
    return int(match[1]) if match else 0


def weights_in(folder: Path) -> list[Path]:
    """Return the weights files of a training.

    Raises:
        InputError: if there is none.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(f"{folder} has no weights (*.safetensors); train first")
    return found


def search(
    sovits: Sequence[Path], gpt: Sequence[Path], measure: Callable[[Path, Path], Measure]
) -> tuple[Measure, list[Measure]]:
    """Find the best pair of checkpoints without trying all of them.

    Every SoVITS epoch speaks with the last GPT epoch; then every other GPT epoch with the best of these. That is
    n + m - 1 pairs in the place of n * m: the acoustic model decides how alike it sounds, the token model what is
    said, and the two hardly disturb one another.

    Args:
        sovits: Weights of the saved SoVITS epochs, not empty.
        gpt: Weights of the saved GPT epochs, not empty.
        measure: Lets a pair speak and measures it.

    Returns:
        The best pair (see `best_of`) and all that were measured, in the order of measuring.
    """
    sovits, gpt = (sorted(paths, key=lambda path: epoch_of(path.name)) for paths in (sovits, gpt))
    measured = [measure(path, gpt[-1]) for path in sovits]
    best = best_of(measured)
    acoustic = next(path for path in sovits if path.name == best.sovits)
    measured += [measure(acoustic, path) for path in gpt[:-1]]
    return best_of(measured), measured


def best_of(measured: Sequence[Measure]) -> Measure:
    """Return the pair of the highest score; among ties with it, the one of the later epochs."""
    highest = max(one.score for one in measured)
    ties = [one for one in measured if one.score > highest - TIE]
    return max(ties, key=lambda one: (epoch_of(one.sovits), epoch_of(one.gpt), one.score))


@dataclass(frozen=True)
class Choice:
    """How sure a choice is.

    Attributes:
        confidence: Share of resamples of the lines in which the chosen one has the highest score: how often it would
            be chosen again by other lines of the kind; None of fewer than three lines.
        as_good: The others that are not worse than it: 95 % of the resampled differences of the scores, line by line,
            hold zero or favour them.
    """

    confidence: float | None
    as_good: list[int] = field(default_factory=list)


def how_sure(chosen: int, measured: Sequence[Measure], speaker_pace: float | None) -> Choice:
    """Return how sure a choice is among measures of the same lines.

    Args:
        chosen: Which one was chosen.
        measured: All; those without lines (diverged) are never as good.
        speaker_pace: Phones a second of the speaker, None where not known.
    """
    if len(measured[chosen].lines) < intervals.FEWEST_LINES:
        return Choice(None)
    scores = {number: resampled_score(one.lines, speaker_pace) for number, one in enumerate(measured) if one.lines}
    own = scores.pop(chosen)
    if not scores:
        return Choice(1.0)
    wins = np.all([own >= other for other in scores.values()], axis=0)
    as_good = [number for number, other in scores.items() if np.quantile(own - other, 0.025) <= 0]
    return Choice(round(float(np.mean(wins)), 3), as_good)


@dataclass
class TimeBudget:
    """How long an evaluation may take, and what still fits into it.

    Attributes:
        seconds: In all; 0 for no limit.
    """

    seconds: float
    started: float = field(default_factory=lambda: time.monotonic())

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.started) if self.seconds else float("inf")

    def fitting(self, wanted: int, cost: float) -> int:
        """Return how many of the wanted things, which cost so many seconds each, still fit."""
        return max(0, min(wanted, int(self.left / max(cost, 1e-9)) if self.seconds else wanted))
