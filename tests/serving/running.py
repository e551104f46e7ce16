"""`voicemill serve` as its own process, as a user starts it."""

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

import requests

from tests.small_voice import small_models


class Server:
    """A server that listens.

    Attributes:
        process: Its process.
        origin: Its address.
        said: What it wrote to standard error.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        assert process.stdout and process.stderr
        threading.Thread(target=lambda: self.said.extend(process.stderr), daemon=True).start()  # type: ignore[arg-type]
        line = process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)/", line)
        assert found, (line, "".join(self.said))
        self.origin = f"http://127.0.0.1:{found[1]}"
        deadline = time.monotonic() + 60
        while True:
            try:
                requests.get(f"{self.origin}/healthz", timeout=5).raise_for_status()
                return
            except requests.ConnectionError:
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.1)

    def speech(self, **fields: Any) -> requests.Response:
        """Ask for speech; `key` and `timeout` are those of the request."""
        key, timeout = fields.pop("key", ""), fields.pop("timeout", 120)
        stream = fields.pop("read_later", False)
        body = {"model": "voicemill", "voice": "bob", "input": "Good morning.", "response_format": "wav", **fields}
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return requests.post(
            f"{self.origin}/v1/audio/speech", json=body, headers=headers, timeout=timeout, stream=stream
        )

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        rows = requests.get(f"{self.origin}/metrics", timeout=30).text.splitlines()
        return sum(float(row.rpartition(" ")[2]) for row in rows if re.match(rf"{name}(\{{|\s)", row))

    def until(self, condition: Any, seconds: float = 60) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.1)


@contextmanager
def serving(*arguments: str, models: Path | None = None) -> Iterator[Server]:
    """A server that runs as long as the block, with the small base or another models folder."""
    command = [sys.executable, "-m", "voicemill", "serve", *arguments, "--port", "0"]
    command += ["--models", str(models or small_models()), "--device", "cpu"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        server = Server(process)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)
