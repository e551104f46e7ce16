"""What came of a batch: one row a speaker, as CSV for programs and as a page for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from importlib import resources
from pathlib import Path

from voicemill.batch.state import Batch, State
from voicemill.core import spreadsheets
from voicemill.core.errors import InputError, Unavailable, VoicemillError
from voicemill.core.files import write_text

CSV = "summary.csv"
PAGE = "summary.html"
_TIMES = ("gpu_minutes", "training_gpu_minutes", "inference_gpu_minutes", "cpu_minutes")
_SHOWN = [field.name for field in fields(State) if field.name != "tasks"]


def write(batch: Batch, rows: list[State], out: Path) -> None:
    """Write `summary.csv` and `summary.html` into the batch's folder."""
    write_text(out / CSV, as_csv(rows))
    write_text(out / PAGE, as_page(batch, rows, out))


def as_csv(rows: list[State]) -> str:
    """Return the rows as CSV; numbers are rounded, what is not known is empty, and no cell is a formula."""
    return spreadsheets.as_csv(_SHOWN, ([_cell(getattr(row, name)) for name in _SHOWN] for row in rows))


def as_page(batch: Batch, rows: list[State], out: Path) -> str:
    """Return the rows as one HTML page, with links to each run's report and a line that each voice speaks."""
    from jinja2 import Environment

    source = resources.files("voicemill.batch").joinpath("summary.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    found = [
        {
            "row": row,
            "report": f"{row.folder}/report.html" if (out / row.folder / "report.html").is_file() else "",
            "speech": next((path.relative_to(out).as_posix() for path in _speech(out / row.folder)), ""),
        }
        for row in rows
    ]
    return page.render(batch=batch, rows=found, totals=totals(rows), number=_cell)


def totals(rows: list[State]) -> dict[str, float]:
    """Return how many of which outcome, and the sums of time and cost."""
    counts = Counter(row.outcome for row in rows)
    sums = {name: sum(getattr(row, name) or 0 for row in rows) for name in ("minutes_in", "minutes_used", "cost")}
    times = {name: sum(getattr(row, name) for row in rows) for name in _TIMES}
    return {"speakers": len(rows), **counts, **sums, **times}


def too_few(rows: list[State], required: float) -> VoicemillError | None:
    """Return what to say where fewer speakers than required have a voice; None if enough do.

    Args:
        rows: Of all speakers.
        required: Share of them, from 0 to 1.

    Returns:
        Unavailable if there would be enough but for a cluster, a disk or an S3 server, else InputError.
    """
    voices, total = sum(row.outcome == "voice" for row in rows), len(rows)
    if voices >= required * total:
        return None
    lost = [row for row in rows if row.cause == "infrastructure"]
    words = f"{voices} of {total} speakers got a voice, fewer than the required {required:.0%}"
    if lost and voices + len(lost) >= required * total:
        first = f"{len(lost)} failed because of the cluster or S3, the first, {lost[0].speaker}: {lost[0].reason}"
        return Unavailable(f"{words}; {first}; fix that and run it again")
    return InputError(f"{words}; see the summary")


def _speech(folder: Path) -> list[Path]:
    return sorted((folder / "speech").glob("*.wav"))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
