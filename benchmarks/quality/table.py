"""The figures of voices side by side, as rows of a table and as results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.quality.measures import Figure, Summary

_RATES = {"wer": "word errors", "per": "phone errors"}
_TITLES = {**_RATES, "similarity": "to the speaker", "sig": "SIG", "bak": "BAK", "ovrl": "OVRL", "pace": "ms a phone"}


def rows(summaries: Sequence[Summary]) -> list[list[str]]:
    """Return a heading and a row for each summary.

    Error rates come with their 95 % intervals. The pace is compared with that of the recordings, if these are the
    first summary.
    """
    figures = [summary.figures() for summary in summaries]
    names = list(dict.fromkeys(name for found in figures for name in found))
    own = figures[0].get("pace") if summaries[0].of_speaker else None
    heading = ["", "sentences", *(_title(name) for name in names), *(["pace"] if own else [])]
    table = [heading]
    for summary, found in zip(summaries, figures, strict=True):
        count = f"{len(summary.sentences)}" + (f", {len(summary.dropped)} dropped" if summary.dropped else "")
        pace = found.get("pace")
        ratio = [f"{pace.value / own.value:.2f}" if pace else "–"] if own else []
        table.append([summary.title, count, *(_cell(name, found.get(name)) for name in names), *ratio])
    return table


def markdown(summaries: Sequence[Summary]) -> str:
    """Return the table in Markdown, and what was dropped below it."""
    heading, *body = rows(summaries)
    lines = [heading, ["---"] * len(heading), *body]
    text = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    lost = [
        f"- {summary.title}, {name}: {reason}\n" for summary in summaries for name, reason in summary.dropped.items()
    ]
    return text + ("\nDropped:\n\n" + "".join(lost) if lost else "")


def results(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Everything that was measured, for programs."""
    return [
        {
            "title": summary.title,
            "figures": {name: asdict(found) if found else None for name, found in summary.figures().items()},
            "sentences": [sentence.row() for sentence in summary.sentences],
            "dropped": dict(summary.dropped),
        }
        for summary in summaries
    ]


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("wer by", "word errors by"))


def _cell(name: str, figure: Figure | None) -> str:
    if not figure:
        return "–"
    if name in _RATES or name.startswith("wer by"):
        text = f"{figure.value:.1%}"
        if figure.low is not None and figure.high is not None:
            text += f" ({100 * figure.low:.1f} to {figure.high:.1%})"
        return text.replace("%", " %")
    return f"{1000 * figure.value:.0f}" if name == "pace" else f"{figure.value:.2f}"
