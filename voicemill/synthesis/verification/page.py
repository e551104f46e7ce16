"""The page of a folder of spoken lines: what was asked beside what was heard, the worst first, with the sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voicemill.report.rendering import render
from voicemill.synthesis.verification.outcome import KEY, OUTCOMES

MOST_LINES = 500


def build(speaker: str, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    """Return the page, which plays the files that lie beside it.

    Args:
        speaker: Whose voice.
        rows: Rows of the manifest, with what was found about each.
        summary: Their summary.
    """
    ordered = worst_first(rows)
    shown = [{**row, "found": row[KEY]} for row in ordered[:MOST_LINES]]
    second = summary.get("second")
    told = ""
    if second:
        told = (
            f"{second['recogniser']}, which had no part in the choice, heard {100 * second['before']:.1f} % of the"
            f" phones of the mended lines wrong before, and {100 * second['after']:.1f} % after."
        )
    elif "mended" in summary:
        told = "No second recogniser was at hand: the one that reports also chose, and is too kind to what it chose."
    return render(
        "voicemill.synthesis.verification",
        "page.html",
        speaker=speaker,
        tiles=[(name, summary[name]) for name in ("lines", *reversed(OUTCOMES)) if name in summary],
        recogniser=rows[0][KEY]["recogniser"] if rows else "nobody",
        second=told,
        causes=list(summary.get("by_cause", {}).items()),
        helped=list(summary.get("helped", {}).items()),
        lines=shown,
        unshown=len(ordered) - len(shown),
    )


def worst_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows by outcome and then by errors, the worst first."""

    def badness(row: Mapping[str, Any]) -> tuple[int, float]:
        found = row[KEY]
        return OUTCOMES.index(found["outcome"]), -found.get("phone_error_rate", 0.0)

    return sorted(rows, key=badness)
