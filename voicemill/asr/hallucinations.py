"""Phrases that Whisper writes where nobody says them: credits of subtitles, thanks to viewers, notes of music.

They come from the subtitles that it was trained on, and appear on silence, noise and music.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib import resources


@functools.cache
def phrases() -> list[dict[str, str]]:
    """The rows of hallucinations.csv: `language` (empty for all), `pattern`, and an `example` that it matches."""
    text = resources.files("voicemill.asr").joinpath("hallucinations.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def _pattern(language: str) -> re.Pattern[str]:
    patterns = [row["pattern"] for row in phrases() if row["language"] in ("", language)]
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


def is_hallucination(text: str, language: str) -> bool:
    """Return whether a transcript holds a phrase that Whisper is known to make up.

    Args:
        text: What was heard.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
    """
    return bool(_pattern(language).search(text.strip()))
