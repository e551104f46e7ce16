"""Limits on connections, below anything that reads a request: none may wait for ever, and all of them fit.

A request that arrives byte by byte, or never ends, costs its sender a connection and the server nothing else: it is
closed when its time is up, or earlier, when its place is needed for a newer one.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 15.0
"""From the first byte of a request, or from a connection's beginning, to the end of the request."""
STALL_SECONDS = 30.0
"""Longest that an answer may wait for its reader to take more of it."""
LINGER_SECONDS = 2.0
BACKLOG = 64
"""Connections accepted at once, before the limit is looked at."""
LARGEST_HEAD = 64 * 1024
_MOST_CONNECTIONS = 512


def most_connections() -> int:
    """Return how many connections are held at a time: half of the files that this process may have open, at most."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, files // 2)


def configuration(app: Any, *, drain_seconds: int | None = None) -> uvicorn.Config:
    """Return how every server of voicemill runs: bounded connections, HTTP alone, no headers that are believed.

    Args:
        app: An ASGI application.
        drain_seconds: How long requests in flight may take on SIGTERM; None has no limit.
    """
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        backlog=BACKLOG,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=drain_seconds,
    )


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for each request and a limit on connections."""

    limit = most_connections()

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._refused = False
        self._since = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._expect(REQUEST_SECONDS)
        if len(self.connections) > self.limit:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if not self._is_in_request():
            self._cancel()
        elif self._timer is None:
            self._expect(REQUEST_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # Closing waits until the reader has taken what was written.
        self._expect(STALL_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and go on reading for a moment: closing at once would reset the answer away."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        body = msg.encode()
        head = f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head.encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._expect(LINGER_SECONDS)

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete or self._is_in_request()

    def _is_in_request(self) -> bool:
        """Return whether a request has begun that has not arrived whole."""
        state = self.conn.their_state
        return state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _expect(self, seconds: float) -> None:
        self._cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """Close the connection that has waited longest; this one, if all the others are being answered."""
        others: Any = (each for each in self.connections if isinstance(each, BoundedProtocol))
        waiting = [each for each in others if each.is_waiting and not each.transport.is_closing()]
        min(waiting, key=lambda each: each._since, default=self).transport.abort()
