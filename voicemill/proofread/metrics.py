"""What the page tells Prometheus at `/metrics`: how many requests it answered and how long that took.

Numbers alone; no name of a voice, a run or a reviewer is among them.
"""

from __future__ import annotations

import time
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4"


class Requests:
    """Counts what an application answers.

    Args:
        app: The application.
        counts: Where it is counted.
    """

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            self._counts.add(scope["method"], status, time.perf_counter() - begun)


class Counts:
    """Requests by method and status, and the seconds that they took."""

    def __init__(self) -> None:
        self._number: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[tuple[str, int]] = Counter()

    def add(self, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        # Anybody may send a method of any name; each would be a series for ever.
        key = (method if method in ("GET", "HEAD", "POST") else "other", status)
        self._number[key] += 1
        self._seconds[key] += seconds  # pyright: ignore[reportArgumentType]

    def text(self) -> str:
        """Return the counts in Prometheus's text format."""
        lines: list[str] = []
        for name, help_text, values in (
            ("voicemill_page_requests_total", "Requests that were answered.", self._number),
            ("voicemill_page_request_seconds_total", "Seconds that requests took.", self._seconds),
        ):
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} counter"]
            for (method, status), value in sorted(values.items()):
                lines.append(f'{name}{{method="{method}",status="{status}"}} {value:g}')
        return "\n".join(lines) + "\n"
