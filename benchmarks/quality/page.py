"""The page: the table, curves of trainings, and every sentence to see and to listen to; one file, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from benchmarks.quality import table
from benchmarks.quality.epochs import Training
from benchmarks.quality.measures import Heard, Summary
from voicemill.report import plots, sound
from voicemill.report.rendering import render

_HIGHEST_HZ = 11_025


def build(title: str, recogniser: str, summaries: Sequence[Summary], trainings: Sequence[Training] = ()) -> str:
    """Return the page.

    Args:
        title: Its heading.
        recogniser: Who counted the errors.
        summaries: What was measured.
        trainings: Curves, where epochs were measured.
    """
    heading, *rows = table.rows(summaries)
    return render(
        "benchmarks.quality",
        "page.html",
        title=title,
        recogniser=recogniser,
        heading=heading,
        rows=rows,
        trainings=[{"name": training.name, "plot": Markup(training.plot())} for training in trainings],
        parts=[
            {
                "title": summary.title,
                "sentences": list(_sentences(summary)),
                "others": [f"to {name}" for name in summary.sentences[0].others] if summary.sentences else [],
                "dropped": summary.dropped,
            }
            for summary in summaries
        ],
        longest=int(sound.LONGEST_SECONDS),
    )


def _sentences(summary: Summary) -> Iterator[dict[str, Any]]:
    """Return the sentences, those with most wrong words first."""
    for one in sorted(summary.sentences, key=_worst_first):
        snippet = sound.read_snippet(one.audio)
        yield {
            "of": one,
            "words": one.words.rate if one.words else None,
            "phones": one.phones.rate if one.phones else None,
            "pace": 1000 * one.pace if one.pace else None,
            "picture": Markup(plots.wave_and_spectrogram(snippet, _HIGHEST_HZ)),
            "audio": snippet,
        }


def _worst_first(sentence: Heard) -> tuple[float, str]:
    return -sentence.words.rate if sentence.words else 0.0, sentence.name
