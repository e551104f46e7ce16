"""What a person sees of a batch: a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voicemill.batch import state as states
from voicemill.batch import summary
from voicemill.batch.state import Batch, State
from voicemill.batch.validation import SpeakerJob
from voicemill.core.display import display

_STYLES = {"voice": "green", "failed": "red bold", "running": "cyan", "stopped": "yellow"}
_EVERY_SECONDS = 1.0


def table(rows: list[State], *, priced: bool) -> Table:
    """Return the rows as they are at this moment; columns as on the summary's page."""
    shown = Table(box=None, pad_edge=False)
    numbers = ("min in", "min used", "error rate", "similarity", "GPU min", "CPU min", *(["cost"] if priced else []))
    for heading in ("speaker", "outcome", *numbers, ""):
        shown.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        values = [row.minutes_in, row.minutes_used, row.error_rate, row.similarity, row.gpu_minutes, row.cpu_minutes]
        cells = ["" if value is None else f"{value:.2f}" for value in [*values, *([row.cost] if priced else [])]]
        remark = row.reason or ", ".join(row.tasks)
        outcome = Text(row.outcome, style=_STYLES.get(row.outcome, "dim"))
        shown.add_row(Text(display(row.speaker)), outcome, *cells, Text(display(remark, 500), style="dim"))
    return shown


def headline(rows: list[State]) -> str:
    """Return how many of which outcome."""
    counts = summary.totals(rows)
    names = ("voice", "failed", "running", "stopped", "waiting")
    return f"{len(rows)} speakers: " + ", ".join(f"{counts[name]} {name}" for name in names if name in counts)


class Board:
    """Shows a batch while it is run: rows that have ended are read once.

    Args:
        console: Where to.
        batch: What was asked for.
        out: Its folder.
    """

    def __init__(self, console: Console, batch: Batch, out: Path) -> None:
        self.console, self.batch, self.out = console, batch, out
        self.begun: dict[str, SpeakerJob] = {}
        self.rows: dict[str, State] = {}
        self.shown = (0.0, Table())
        self.live = Live(console=console, get_renderable=self._table, refresh_per_second=2)

    def __enter__(self) -> Board:
        self.rows = {row.speaker: row for row in states.states(self.batch, self.out)}
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, kind: str, job: SpeakerJob) -> None:
        """A speaker's run began or ended."""
        if kind == "begun":
            self.begun[job.speaker] = job
        else:
            self.begun.pop(job.speaker, None)
        row = self.rows[job.speaker] = states.state(self.batch, job, self.out, running=True)
        if not self.console.is_terminal:
            what = "began" if kind == "begun" else row.outcome
            reason = f": {row.reason}" if row.reason and kind != "begun" else ""
            self.console.print(
                f"{time.strftime('%H:%M:%S')} {job.speaker} {what}{reason}", markup=False, soft_wrap=True
            )

    def _table(self) -> Table:
        at, shown = self.shown
        if time.monotonic() - at > _EVERY_SECONDS:
            for job in list(self.begun.values()):
                self.rows[job.speaker] = states.state(self.batch, job, self.out, running=True)
            priced = self.batch.has_prices
            shown = table(list(self.rows.values()), priced=priced)
            self.shown = (time.monotonic(), shown)
        return shown


@dataclass(frozen=True)
class Seen:
    """What there is to be shown of a batch.

    Attributes:
        rows: Its speakers' rows.
        running: Whether somebody makes it.
        priced: Whether there are prices.
        remark: More to say of it.
    """

    rows: list[State]
    running: bool
    priced: bool
    remark: str = ""


def looking_at(batch: str, namespace: str | None) -> Callable[[], Seen]:
    """Return what looks at a batch, as often as it is called.

    Args:
        batch: Its folder, or its name on a cluster.
        namespace: Of its runs; None for what the environment names.

    Raises:
        InputError: if the folder holds no batch.
    """
    folder = Path(batch)
    if folder.is_dir() or "/" in batch:
        made = states.read_batch(folder)
        priced = made.has_prices
        return lambda: Seen(states.states(made, folder), states.is_running(folder), priced)
    from voicemill.batch import remote
    from voicemill.cluster.connection import connect

    api = connect(namespace)

    def look() -> Seen:
        found = remote.standing(api, batch)
        done = f", {found.progress} done" if found.progress else ""
        remark = f"{found.conductor} {'is running' if found.running else 'has ended'}{done}" if found.conductor else ""
        return Seen(found.rows, found.running, any(row.cost for row in found.rows), remark)

    return look
