"""Which clip a voice should imitate: of a few good ones, the one with which it speaks best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voicemill.audio import quality, reading
from voicemill.core.safe_paths import safe_join
from voicemill.evaluation.metrics import Measure
from voicemill.evaluation.score import TIE
from voicemill.voice.manifest import reference_candidates

_MEASURED = 3
"""How many clips are measured for noise, for each one that is wanted."""


def clean_candidates(rows: Sequence[Mapping[str, Any]], clips: Path, most: int) -> list[Mapping[str, Any]]:
    """Return clips that could be the reference, the likeliest first, noisy ones (DNSMOS BAK below 2.6) last.

    Args:
        rows: Rows of transcripts.json.
        clips: The folder of the clips.
        most: How many at most.

    Raises:
        InputError: if no clip with text lasts 3 to 10 s.
    """
    candidates = reference_candidates(rows)[: _MEASURED * most]
    if len(candidates) == 1:
        return candidates

    def noisy(row: Mapping[str, Any]) -> bool:
        sound = reading.read(safe_join(clips, row["clip"]))
        return quality.measure(reading.to_mono(sound.samples)[0], sound.rate).noisy

    return sorted(candidates, key=lambda row: (bool(row.get("flags")), noisy(row)))[:most]


def best_reference(tried: Sequence[Measure]) -> int:
    """Return which of the measures, in the order of the candidates, is the best; of ties the first."""
    highest = max(one.score for one in tried)
    return next(number for number, one in enumerate(tried) if one.score > highest - TIE)
