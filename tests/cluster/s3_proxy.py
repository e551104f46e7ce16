"""A proxy before an S3 server that is as slow, as unreliable or as late as a test wants."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

Fault = str
FAULTS: tuple[Fault, ...] = ("500", "503", "no request arrives", "the answer is lost")
_ERRORS = {"500": "InternalError", "503": "SlowDown"}
_STAMP = "%Y%m%dT%H%M%SZ"


class Proxy:
    """Passes requests on to an S3 server; the host name that clients sign is passed on unchanged.

    Args:
        server: Address of the S3 server; the proxy listens on the same host.
        delay: Seconds that each request waits.
        every: Each request of this number fails, in one of the ways of `FAULTS` by turns; 0 lets none fail.
        late: Seconds by which the clocks of all clients are late.
    """

    def __init__(self, server: str, *, delay: float = 0, every: int = 0, late: float = 0) -> None:
        self.host, self.port = urlsplit(server).hostname or "", urlsplit(server).port or 80
        self.delay, self.late = delay, timedelta(seconds=late)
        self.seen: Counter[str] = Counter()
        self._numbers, self._every, self._faults = itertools.count(1), every, itertools.cycle(FAULTS)
        self._listening = _Listening((self.host, 0), self)

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self._listening.server_port}"

    def fault(self) -> Fault | None:
        """How the next request is to fail, if it is to fail."""
        number = next(self._numbers)
        found = next(self._faults) if self._every and number % self._every == 0 else None
        self.seen[found or "passed on"] += 1
        return found

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listening.shutdown()
            self._listening.server_close()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _proxy(self) -> Proxy:
        return cast(_Listening, self.server).proxy

    def _pass_on(self) -> None:
        proxy = self._proxy
        time.sleep(proxy.delay)
        fault = proxy.fault()
        body = self._body()
        if fault == "no request arrives":
            self._reset()
        elif fault in _ERRORS:
            text = f"<Error><Code>{_ERRORS[fault]}</Code><Message>injected</Message></Error>".encode()
            self._answer(int(fault), [("Content-Type", "application/xml")], text)
        else:
            status, headers, content = self._ask(body)
            if fault:
                self._reset()
            else:
                self._answer(status, headers, content)

    def _body(self) -> bytes:
        """The request's body as it was sent: Go sends an empty one in chunks."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        read = b""
        while True:
            line = self.rfile.readline()
            size = int(line.partition(b";")[0], 16)
            read += line + self.rfile.read(size + 2 if size else 0)
            if not size:
                break
        while line.strip():  # trailers, and the empty line after them
            line = self.rfile.readline()
            read += line
        return read

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        proxy = self._proxy
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("expect", "connection"):
                connection.putheader(name, self._of_a_late_clock(name, value))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        left_out = ("transfer-encoding", "connection", "content-length")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in left_out]
        if self.command == "HEAD":
            headers.append(("Content-Length", answer.getheader("content-length", "0")))
        return answer.status, headers, content

    def _of_a_late_clock(self, name: str, value: str) -> str:
        if not self._proxy.late or name.lower() != "x-amz-date":
            return value
        return (datetime.strptime(value, _STAMP) - self._proxy.late).strftime(_STAMP)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        elif status >= 500:
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _reset(self) -> None:
        # Closed with nothing to linger for, a connection ends by RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is counted is in `seen`."""

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on
