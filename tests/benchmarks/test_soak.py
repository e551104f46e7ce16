"""The soak, against a server that answers at once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks import soak


class Handler(BaseHTTPRequestHandler):
    """Says a second of silence for what can be said, as the real one does for what it accepts."""

    def do_GET(self) -> None:
        said = {"/v1/voices": json.dumps({"data": [{"id": "ada"}]}), "/metrics": "voicemill_queue 0.0\n"}[self.path]
        self.answer(200, said.encode())

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = 404 if asked["voice"] == "nobody" else 400 if asked["input"] == "..." else 200
        self.answer(status, bytes(soak.PCM_BYTES_PER_SECOND if status == 200 else 10))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Http(ThreadingHTTPServer):
    request_queue_size = 4 * soak.QUEUE


@pytest.fixture
def server() -> Iterator[soak.Server]:
    with Http(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        process = cast(Any, SimpleNamespace(pid=os.getpid()))
        yield soak.Server(process, f"http://127.0.0.1:{http.server_port}")
        http.shutdown()


def test_throughput_counts_the_sound_of_all_clients(server: soak.Server) -> None:
    clients, speech, first, whole, memory = soak.throughput(server, 3).strip("| ").split(" | ")
    assert clients == "3" and float(speech) > 6 and float(first) <= float(whole) and float(memory) > 10


def test_a_soak_notes_memory_and_every_answer(server: soak.Server) -> None:
    *rows, last, _, answers = soak.soak(server, 1.0)
    assert len(rows) == soak.ROWS and last.startswith("| after the last ")
    assert all(float(row.split(" | ")[2]) > 10 for row in [*rows, last])
    told = dict(part.rpartition(" times")[0].rsplit(" ", 1) for part in answers.removeprefix("Answers: ").split("; "))
    assert sum(map(int, told.values())) == int(last.split(" | ")[1])
    assert {"unknown voice: 404", "nothing to speak: 400", "streamed: 200"} <= told.keys()
    assert not [name for name in told if "without sound" in name]
