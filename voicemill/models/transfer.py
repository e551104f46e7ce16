"""Bring the rest of a file over HTTP, however often the connection breaks."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from voicemill.contract import progress
from voicemill.core.logs import get_logger

log = get_logger(__name__)

CHUNK = 2**20
# Tries in a row that bring nothing; one that brings something starts the count anew.
TRIES = 5
TIMEOUT_SECONDS = 30.0


class BrokenOff(Exception):
    """The server cannot be reached, or stopped sending, too often."""


def fetch(url: str, partial: Path, size: int | None, headers: dict[str, str], label: str) -> None:
    """Append to a partial file what it lacks.

    Args:
        url: Address; redirections are followed.
        partial: The file so far; made if missing. What is written stays when this fails.
        size: Bytes of the whole file, where known.
        headers: To be sent to the first host.
        label: Name for the progress shown.

    Raises:
        BrokenOff: The connection failed too often.
        huggingface_hub.errors.HfHubHTTPError: The server answers with an error.
    """
    import httpx2

    partial.touch()
    if size is None:
        # Nothing would tell a whole file from a part of one.
        partial.write_bytes(b"")
    failures = 0
    while size is None or partial.stat().st_size < size:
        before = partial.stat().st_size
        try:
            _append(url, partial, size, headers, label)
            if size is None or partial.stat().st_size == before:
                break
        except httpx2.TransportError as error:
            failures = 0 if partial.stat().st_size > before else failures + 1
            if failures >= TRIES:
                raise BrokenOff(str(error) or type(error).__name__) from error
            log.warning("%s: %s; resuming at byte %d", label, error, partial.stat().st_size)
            time.sleep(0.2 * 2**failures)


def _append(url: str, partial: Path, size: int | None, headers: dict[str, str], label: str) -> None:
    from huggingface_hub.utils import get_session, hf_raise_for_status

    done = partial.stat().st_size
    asked = {**headers, "Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
    with get_session().stream("GET", url, headers=asked, timeout=TIMEOUT_SECONDS) as response:
        hf_raise_for_status(response)
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        with partial.open("r+b") as stream:
            # A server that does not know ranges sends everything again.
            stream.seek(int(start[1]) if start else 0)
            stream.truncate()
            chunks = -(-(size - stream.tell()) // CHUNK) if size else None
            for chunk in progress(_chunks(response), label, total=chunks):
                stream.write(chunk)


def _chunks(response: object) -> Iterator[bytes]:
    """Return the body in pieces of `CHUNK` bytes; what had arrived when the connection broke comes before the error."""
    waiting = bytearray()
    try:
        for piece in response.iter_raw():  # pyright: ignore[reportAttributeAccessIssue]
            waiting += piece
            while len(waiting) >= CHUNK:
                yield bytes(waiting[:CHUNK])
                del waiting[:CHUNK]
    except Exception:
        yield bytes(waiting)
        raise
    yield bytes(waiting)
