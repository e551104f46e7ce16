"""What a run tells: a JSON line per change in `run.jsonl`, and whoever watches."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from voicemill.engine.nodes import Node

Watcher = Callable[[str, Node | None, dict[str, Any]], None]


class Events:
    """Passes on what happens in a run.

    Args:
        path: File that a line is added to for each event.
        watchers: Called with the event's kind, its node if it has one, and its other fields.
    """

    def __init__(self, path: Path, *watchers: Watcher) -> None:
        self.path = path
        self.watchers = watchers
        with path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")  # an engine was killed in the middle of a line

    def emit(self, kind: str, node: Node | None = None, **fields: Any) -> None:
        """Record an event: `run`, `task`, `try`, `waits`, `approved`, `resumed`, `exported` or `end`."""
        if node is not None and not node.name:
            return  # the entrypoint itself; the run's end tells of it
        line: dict[str, Any] = {"time": round(time.time(), 3), "event": kind}
        if node is not None:
            line |= {
                "task": node.name,
                "template": node.template,
                "phase": "Cached" if node.cached else str(node.phase),
            }
            line |= {"message": node.message} if node.message else {}
            if node.phase.completed:
                line["seconds"] = round(node.seconds, 3)
                line |= {"exit_code": node.exit_code} if node.exit_code is not None else {}
        line |= fields
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        for watcher in self.watchers:
            watcher(kind, node, fields)
