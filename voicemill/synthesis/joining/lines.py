"""The lines of a manifest as parts of one audio file: their sound, their words, and the pause after each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError, UsageError
from voicemill.core.safe_paths import what_is_wrong
from voicemill.synthesis.subtitles import Word, columns, words_of

MANIFEST = "manifest.jsonl"
CHAPTER = (
    r"(?i)^(chapter|part|book|prologue|epilogue)\b"
    r"|^第\s*[\d一二三四五六七八九十百]+\s*[章回节節卷部]|^제\s*\d+\s*[장부]"
)
"""What a line begins with that begins a chapter."""

_AFTER = (
    (re.compile(r"(…|\.\.\.)\W*$"), 0.7),
    (re.compile(r"[.!?。！？][\"'”’)\]）】」』》]*$"), 0.5),
    (re.compile(r"[,;:，；：、—–-][\"'”’)\]）】」』》]*$"), 0.25),
)
_OTHERWISE, PARAGRAPH, BEFORE_CHAPTER = 0.4, 1.0, 2.0
"""Pauses in seconds; after a chapter's title it is that of a paragraph."""

_FRAME_SECONDS = 0.01
_QUIET = 10 ** (-50 / 20)
_MARGIN_FRAMES = 3


@dataclass(frozen=True)
class Line:
    """A line that was spoken.

    Attributes:
        file: Its sound.
        text: What is said.
        row: Its row of the manifest.
        begins_paragraph: Whether lines are missing before it: empty ones, or ones that could not be spoken.
        chapter: The title of the chapter that it begins; empty otherwise.
    """

    file: Path
    text: str
    row: Mapping[str, Any]
    begins_paragraph: bool = False
    chapter: str = ""

    def words(self, seconds: float) -> list[Word]:
        """Return when its words are said; where that was not found out, spread over its length by their letters."""
        if self.row.get("words"):
            return words_of(self.text, self.row["words"])
        parts = self.text.split()
        lengths = np.cumsum([0.0, *(columns(part) for part in parts)])
        share = seconds / lengths[-1] if lengths[-1] else 0.0
        return [
            Word(part, float(start * share), float(end * share))
            for part, start, end in zip(parts, lengths[:-1], lengths[1:], strict=True)
        ]


def read_lines(speech: Path, *, chapters: str = CHAPTER, speaker: str = "") -> list[Line]:
    """Return the lines of a folder that `synthesize` or `synthesize-bulk` wrote.

    Args:
        speech: The folder, with manifest.jsonl.
        chapters: A regular expression: the lines in which it is found begin chapters.
        speaker: Of a script of several voices only this one's lines.

    Raises:
        UsageError: The expression is none.
        InputError: The manifest is missing, damaged, or without lines.
    """
    try:
        begins = re.compile(chapters) if chapters else None
    except re.error as error:
        raise UsageError(f"--chapters {chapters}: not a regular expression: {error}") from error
    path = speech / MANIFEST
    if not path.is_file():
        raise InputError(f"{speech} has no {MANIFEST}; give a folder that synthesize wrote")
    hint = "speak the lines again"
    lines: list[Line] = []
    before = 0
    for number, row in untrusted.read_json_lines(path, hint=hint, nan=True):
        if "dropped" in row or (speaker and row.get("speaker", speaker) != speaker):
            continue
        name = f"line {number} of {path}"
        file, text = (untrusted.member(row, key, str, name, hint=hint) for key in ("file", "text"))
        problem = what_is_wrong(file)
        if problem:
            raise InputError(f"{name} names the file {display(file)}: {problem}; {hint}")
        at = int(row.get("line") or (Path(file).stem if Path(file).stem.isdecimal() else number))
        title = text.strip() if begins and begins.search(text.strip()) else ""
        lines.append(Line(speech / file, text, row, bool(lines) and at > before + 1, title))
        before = at
    if not lines:
        raise InputError(f"{path} has no line that was spoken" + (f" by {speaker}" if speaker else ""))
    return lines


def pause_after(line: Line, following: Line | None) -> float:
    """Return the pause after a line in seconds: by its last mark, longer at the end of a paragraph or a chapter."""
    if following and following.chapter:
        return BEFORE_CHAPTER
    if line.chapter or (following and following.begins_paragraph):
        return PARAGRAPH
    return next((seconds for mark, seconds in _AFTER if mark.search(line.text.strip())), _OTHERWISE)


def trimmed(samples: np.ndarray, rate: int) -> tuple[int, int]:
    """Return where the sound of a line begins and ends, in samples: 50 dB below its loudest 10 ms, and 30 ms around.

    Args:
        samples: float32 `[n]`.
        rate: Their rate in Hz.
    """
    size = max(1, int(_FRAME_SECONDS * rate))
    whole = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    level = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1)) if len(whole) else np.zeros(0)
    loud = np.flatnonzero(level > _QUIET * level.max()) if level.any() else []
    if not len(loud):
        return 0, len(samples)
    start, end = int(loud[0]) - _MARGIN_FRAMES, int(loud[-1]) + 1 + _MARGIN_FRAMES
    return max(0, start) * size, min(len(samples), end * size)
