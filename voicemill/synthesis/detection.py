"""Whether a file is speech that was generated and marked: its metadata and the watermark in its sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError

SURE, DOUBTFUL = 0.55, 0.45
"""Scores from which a piece is marked, and below which it is not; docs/explanation/marks.md has the measurements."""

Verdict = Literal["found", "unsure", "not found", "too short", "not looked for"]


@dataclass(frozen=True)
class Finding:
    """What a file says of itself.

    Attributes:
        file: The file.
        seconds: Its length.
        watermark: `found`, `unsure`, `not found`, `too short` (less than a second), or `not looked for` where the extra
            `watermark` is not installed.
        score: How much the piece of it that looks most marked looks marked, from 0 to 1.
        pieces: Pieces of ten seconds that were listened to.
        marked_pieces: Those that are marked.
        provenance: What its metadata says of how it was generated; None if nothing.
    """

    file: str
    seconds: float
    watermark: Verdict
    score: float | None
    pieces: int
    marked_pieces: int
    provenance: Mapping[str, Any] | None

    def sentences(self) -> list[str]:
        """Return for people what was found, how sure that is, and what cannot be known."""
        return [_of_watermark(self), _of_metadata(self)]


def inspect(path: Path) -> Finding:
    """Look for the marks of generated speech in an audio file.

    Args:
        path: Any audio file.

    Raises:
        InputError: It cannot be read.
    """
    from voicemill.audio.reading import read, to_mono
    from voicemill.synthesis import watermark

    audio = read(path)
    found = read_provenance(path)
    if not watermark.is_installed():
        return Finding(str(path), round(audio.seconds, 3), "not looked for", None, 0, 0, found)
    from voicemill.synthesis import watermark_network

    scores = watermark_network.scores(to_mono(audio.samples)[0], audio.rate)
    best = round(max(scores), 3) if scores else None
    marked = sum(score >= SURE for score in scores)
    return Finding(str(path), round(audio.seconds, 3), verdict(best), best, len(scores), marked, found)


def verdict(score: float | None) -> Verdict:
    """Return what a score means; None is that of a file that is too short."""
    if score is None:
        return "too short"
    return "found" if score >= SURE else "unsure" if score >= DOUBTFUL else "not found"


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Return what the metadata of an audio file says of how it was generated; None if nothing.

    Args:
        path: WAV, FLAC, MP3, M4A, M4B, Ogg or whatever else ffmpeg reads. Comments of others, and damaged ones, are
            passed over: they are no provenance.

    Raises:
        InputError: It is not an audio file.
    """
    from voicemill.audio.chained import links
    from voicemill.audio.containers import opened

    if not path.is_file() or not path.stat().st_size:
        raise InputError(f"{path} does not exist or is empty")
    with opened(path, links(path)[0]) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    for name, value in tags.items():
        if name.lower() not in ("comment", "description"):
            continue
        try:
            fields = untrusted.json_value(value, dict)
        except untrusted.Unreadable:
            continue
        if fields.get("generated") is True:
            return fields
    return None


def _of_watermark(finding: Finding) -> str:
    where = f"{finding.marked_pieces} of {finding.pieces} pieces of 10 s" if finding.pieces > 1 else "it"
    said = {
        "found": f"watermark: found (score {finding.score}, in {where}): generated, by voicemill or by other software "
        "with the same watermark, which carries no message",
        "unsure": f"watermark: unsure (score {finding.score}): it may be a damaged mark, or chance",
        "not found": f"watermark: not found (score {finding.score}): recorded, generated unmarked, or the mark was "
        "removed; which of them cannot be known",
        "too short": "watermark: unknown: less than a second is too short to tell",
        "not looked for": "watermark: not looked for: pip install 'voicemill[watermark]'",
    }
    return said[finding.watermark]


def _of_metadata(finding: Finding) -> str:
    if finding.provenance is None:
        return "metadata: says nothing of how it was made; converting a file often drops it"
    said = [f"{key} {display(str(value), 80)}" for key, value in finding.provenance.items() if key != "generated"]
    return f"metadata: says that it is generated ({', '.join(said)}); anyone can write or remove that"
