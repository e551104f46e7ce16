"""The page's server as its own process, as a user starts it; and a client that speaks to it like the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests


class Server:
    """`voicemill proofread`, started and killed at will at the same address.

    Args:
        location: What it serves.
        home: Folder for its own token.
        *options: Further options.
    """

    def __init__(self, location: str, home: Path, *options: str) -> None:
        self.location = location
        self._command = [sys.executable, "-m", "voicemill", "proofread", location, "--no-browser", *options]
        self._environment = {**os.environ, "XDG_STATE_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.port = 0
        self.token = self.path = ""
        self.process: subprocess.Popen[str] | None = None
        self.complaints: list[str] = []

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        found = re.search(r"(http://\S+?:(\d+)/)([^\s#]*)(?:#token=(\S+))?", line)
        assert found, self.process.stderr.read()
        self.port = int(found[2])
        # A restart changes neither what is looked at nor who looks.
        self.path = self.path or f"/{found[3]}"
        self.token = found[4] or ""
        threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True).start()
        deadline = time.monotonic() + 20
        while True:
            try:
                requests.get(f"{self.origin}/healthz", timeout=2).raise_for_status()
                return
            except requests.ConnectionError:
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.05)

    def kill(self) -> None:
        """End it without warning."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _listen(self, stream: Any) -> None:
        self.complaints += stream.readlines()


@contextmanager
def serving(location: str, home: Path, *options: str, complaint: str | None = None) -> Iterator[Server]:
    """A server that runs as long as the block; it must not have complained of anything but of what is expected."""
    server = Server(location, home, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    assert [line for line in server.complaints if complaint is None or complaint not in line] == []
    assert complaint is None or server.complaints


class Client(requests.Session):
    """Speaks to the server as the page does."""

    def __init__(self, origin: str, token: str = "", run: str = "-/run") -> None:
        super().__init__()
        self.origin = origin
        self.run = f"{origin}/api/runs/{run}"
        self.headers.update({"origin": origin, "x-voicemill": "1", "sec-fetch-site": "same-origin"})
        if token:
            self.post(f"{origin}/api/session", json={"token": token}).raise_for_status()

    def edit(self, action: str, clip: str, version: int = 0, **fields: Any) -> requests.Response:
        """Send an edit with an id of its own."""
        body = {"id": uuid4().hex, "action": action, "clip": clip, "version": version, **fields}
        return self.post(f"{self.run}/edits", json=body)

    def rows(self) -> list[dict[str, Any]]:
        """The first page of clips."""
        return self.get(f"{self.run}/clips", params={"size": 200}).json()["rows"]
