"""What a person sees of a run: a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voicemill.engine.nodes import Node, Phase

_STYLES = {
    "Running": "cyan",
    "Succeeded": "green",
    "Cached": "green dim",
    "Failed": "red bold",
    "Error": "red bold",
    "Waiting": "yellow",
}


class View(Protocol):
    """A watcher that is shown for the length of a run."""

    def __call__(self, kind: str, node: Node | None, fields: dict[str, Any]) -> None: ...

    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...

    async def ask(self, name: str, wanted: dict[str, str | None]) -> dict[str, str] | None: ...


def view_for(console: Console) -> View:
    """Return the table where a person watches, lines where a program does."""
    return Tasks(console) if console.is_terminal else Lines(console)


def phase_of(node: Node) -> str:
    """Return the phase as it is shown: a task that was done in an earlier run is `Cached`."""
    return "Cached" if node.cached else str(node.phase)


class Lines:
    """A line for every task that starts or ends."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, kind: str, node: Node | None, fields: dict[str, Any]) -> None:
        text = self._text(kind, node, fields)
        if text:
            self.console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, highlight=False, soft_wrap=True)

    def _text(self, kind: str, node: Node | None, fields: dict[str, Any]) -> str:
        if kind == "run":
            return f"run {fields['name']}" + (f", killed {len(fields['orphans'])} orphans" if fields["orphans"] else "")
        if node is None or kind == "approved" or (kind == "task" and node.phase is Phase.PENDING):
            return ""
        if kind == "try":
            return f"{node.name}: try {fields['tries']} ended {fields['exit_code']}, next in {fields['pause']:.0f} s"
        if kind == "waits":
            return f"{node.name} waits for approval (or {fields['approval']})"
        seconds = f" in {node.seconds:.1f} s" if node.phase.completed and not node.cached else ""
        reason = f": {node.message}" if node.message else ""
        return f"{node.name} {phase_of(node)}{seconds}{reason}"

    async def ask(self, name: str, wanted: dict[str, str | None]) -> dict[str, str] | None:
        """Nobody is there to be asked."""
        return None


@dataclass
class _Row:
    node: Node
    progress: Path | None = None
    waits: bool = False
    tries: int = 0


class Tasks:
    """A table of the tasks that redraws itself."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, _Row] = {}
        self.live = Live(console=console, get_renderable=self.table, refresh_per_second=4, transient=False)

    def __enter__(self) -> Tasks:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, kind: str, node: Node | None, fields: dict[str, Any]) -> None:
        if node is None or node.is_group:
            return
        row = self.rows.setdefault(node.name, _Row(node))
        row.waits = kind == "waits"
        if "log" in fields:
            row.progress = Path(fields["log"]).with_name(".progress")
        if kind == "try":
            row.tries = fields["tries"]

    def table(self) -> Table:
        """Return the tasks as they are at this moment."""
        table = Table(box=None, pad_edge=False)
        for heading in ("task", "phase", "progress", "time", ""):
            table.add_column(heading, justify="right" if heading in ("progress", "time") else "left", overflow="fold")
        for row in list(self.rows.values()):
            node = row.node
            shown = "Waiting" if row.waits and not node.phase.completed else phase_of(node)
            seconds = f"{node.seconds:.0f} s" if node.started and not node.cached else ""
            progress = ""
            if node.phase is Phase.RUNNING and row.progress is not None:
                with suppress(OSError):
                    progress = row.progress.read_text().strip()
            remark = node.message or (f"try {row.tries + 1}" if row.tries and not node.phase.completed else "")
            phase = Text(shown, style=_STYLES.get(shown, "dim"))
            table.add_row(node.name, phase, progress, seconds, Text(remark, style="dim"))
        return table

    async def ask(self, name: str, wanted: dict[str, str | None]) -> dict[str, str] | None:
        """Ask whether to go on, and for the parameters that the approval supplies."""
        self.live.stop()
        try:
            answer = await self._line(f"Approve {name}? [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                return None
            supplied: dict[str, str] = {}
            for parameter, default in wanted.items():
                given = (await self._line(f"{parameter}{f' [{default}]' if default else ''}: ")).strip()
                if given:
                    supplied[parameter] = given
            return supplied
        finally:
            self.live.start()

    async def _line(self, prompt: str) -> str:
        # No thread: one that blocks in input() would keep the process alive after Ctrl-C.
        self.console.print(prompt, end="", markup=False, highlight=False)
        loop = asyncio.get_running_loop()
        read: asyncio.Future[str] = loop.create_future()
        loop.add_reader(sys.stdin, lambda: read.done() or read.set_result(sys.stdin.readline()))
        try:
            return await read
        finally:
            loop.remove_reader(sys.stdin)
