"""What the conductor of a batch tells Prometheus at `/metrics`: how many of its speakers stand how.

Numbers and the batch's name; no name of a speaker or a run is among them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = "VOICEMILL_METRICS_PORT"
"""Environment variable: the port to serve at; nothing is served without."""
_CONTENT_TYPE = "text/plain; version=0.0.4"
_SPEAKERS = "voicemill_batch_speakers"
_AGAIN = "voicemill_batch_speakers_failed_again"


def text_of(batch: str, counts: dict[str, int], failed_again: int) -> str:
    """Return the figures in Prometheus's text format.

    Args:
        batch: The batch's name: lower-case letters, digits and hyphens.
        counts: Speakers by how they stand.
        failed_again: Speakers who failed, and had failed before under this batch's name.
    """
    lines = [f"# HELP {_SPEAKERS} Speakers of the batch by how they stand.", f"# TYPE {_SPEAKERS} gauge"]
    lines += [f'{_SPEAKERS}{{batch="{batch}",state="{state}"}} {count}' for state, count in counts.items()]
    lines += [f"# HELP {_AGAIN} Speakers who failed, and had failed before.", f"# TYPE {_AGAIN} gauge"]
    return "\n".join([*lines, f'{_AGAIN}{{batch="{batch}"}} {failed_again}']) + "\n"


def served_if_asked(figures: Callable[[], str]) -> AbstractContextManager[object]:
    """As `served`, at the port that the environment names; nothing where it names none."""
    port = os.environ.get(PORT)
    return served(figures, int(port)) if port else nullcontext()


@contextmanager
def served(figures: Callable[[], str], port: int, host: str = "") -> Generator[int, None, None]:
    """Serve figures at `/metrics` while inside.

    Args:
        figures: Gives them each time that they are asked for, from another thread.
        port: Where; 0 takes a free one.
        host: Address to listen on; all by default.

    Yields:
        The port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path.partition("?")[0] == "/metrics"
            data = figures().encode() if is_there else b""
            self.send_response(200 if is_there else 404)
            self.send_header("Content-Type", _CONTENT_TYPE)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: it is asked every few seconds."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
