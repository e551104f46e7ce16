"""Whatever is interrupted and whenever, the registry stays whole, and the same command finishes the work."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.registry.conftest import make_voice
from tests.registry.test_versions import check_whole, resolved, stack
from voicemill.core.errors import InputError, TryAgain
from voicemill.registry import publish, versions
from voicemill.storage import Store, open_store, s3


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Dying:
    """A store whose process dies before its n-th change, or right after it."""

    def __init__(self, store: Store, changes: int, *, after: bool) -> None:
        self.store, self.left, self.after = store, changes, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self._counted(method) if name in ("upload", "write", "delete", "erase") else method

    def _counted(self, method: Any) -> Any:
        def change(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            result = method(*args, **options)
            if self.left == 0:
                raise Killed
            return result

        return change


@pytest.mark.parametrize("after", [False, True])
def test_a_publication_that_dies_at_any_point_leaves_whole_versions_and_is_finished_by_the_next(
    registry: Store, tmp_path: Path, after: bool
) -> None:
    first, second = (make_voice(tmp_path / name, name) for name in ("one", "second"))
    before = publish(first, registry).version
    stack(registry, before)
    deaths = 0
    while True:
        dying: Any = Dying(registry, deaths + 1, after=after)
        try:
            version = publish(second, dying).version
            break
        except Killed:
            deaths += 1
        assert resolved(registry, "anna") in versions(registry, "anna")
        assert resolved(registry, "anna@prod") == before
    assert resolved(registry, "anna") == version and versions(registry, "anna") == sorted([before, version])
    # Six files, the record and the alias; what an earlier try sent is not sent again, but is asked for.
    assert deaths >= 8 if not after else deaths >= 2
    check_whole(registry, tmp_path)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from voicemill.registry import publish
from voicemill.storage import open_store

store = open_store(sys.argv[2])
write = store.write
def deadly(key, *args, **options):
    if "_aliases" in key:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(key, *args, **options)
store.write = deadly
publish(Path(sys.argv[1]), store)
"""


def test_killed_between_upload_and_alias_the_version_is_there_and_the_alias_is_not(
    place: str, registry: Store, tmp_path: Path
) -> None:
    folder = make_voice(tmp_path / "voice")
    command = [sys.executable, "-c", SCRIPT, str(folder), f"{place}/registry"]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    there = versions(registry, "anna")
    assert len(there) == 1
    with pytest.raises(InputError, match="no version latest"):
        resolved(registry, "anna")
    publish(folder, registry)
    assert resolved(registry, "anna") == there[0]
    check_whole(registry, tmp_path)


class Overloaded(BaseHTTPRequestHandler):
    """Passes requests on to a real S3 server, or answers 503 while it is told to."""

    server: Any
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if time.monotonic() < self.server.away_until:
            self.server.refused += 1
            return self._answer(503, [], b"<Error><Code>SlowDown</Code><Message>Later.</Message></Error>")
        connection = HTTPConnection(self.server.behind, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.server.served += 1
        if self.server.lose_answers_of and self.server.lose_answers_of in self.path and self.command == "PUT":
            self.server.lose_answers_of = ""
            return self._answer(503, [], b"<Error><Code>SlowDown</Code><Message>Lost.</Message></Error>")
        dropped = ("connection", "transfer-encoding", "content-length", "date", "server")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self._answer(answer.status, [*headers, ("Content-Length", length or "0")], content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers or [("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def overloaded(bucket: str, monkeypatch: pytest.MonkeyPatch, *, tries: int) -> Iterator[tuple[Any, Store]]:
    """The S3 server of `bucket` behind one that can be told to answer 503, and a registry there."""
    import os

    with ThreadingHTTPServer(("127.0.0.1", 0), Overloaded) as server:
        front: Any = server
        front.behind = urlsplit(os.environ["S3_ENDPOINT"]).netloc
        front.away_until, front.refused, front.served, front.lose_answers_of = 0.0, 0, 0, ""
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(tries))
        address = f"http://127.0.0.1:{server.server_port}"
        yield front, s3.S3Store(bucket, "registry", endpoint=address)
        server.shutdown()
    s3.client.cache_clear()


def test_an_s3_that_answers_503_for_a_while_is_waited_for(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with overloaded(bucket, monkeypatch, tries=10) as (server, registry):
        server.away_until = time.monotonic() + 2.0
        version = publish(make_voice(tmp_path / "one", "one"), registry).version
        server.away_until = time.monotonic() + 1.0
        stack(registry, version)
        assert server.refused >= 2 and server.served > 10
    assert resolved(open_store(f"s3://{bucket}/registry"), "anna@prod") == version


def test_an_s3_that_stays_away_ends_the_command_and_leaves_the_registry_whole(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    direct = open_store(f"s3://{bucket}/registry")
    before = publish(make_voice(tmp_path / "one", "one"), direct).version
    stack(direct, before)
    with overloaded(bucket, monkeypatch, tries=1) as (server, registry):
        folder = make_voice(tmp_path / "two", "two")
        timer = threading.Timer(0.05, lambda: setattr(server, "away_until", time.monotonic() + 3600))
        timer.start()
        with pytest.raises(TryAgain) as caught:
            while True:
                publish(folder, registry)
                stack(registry, before, "test")
        assert caught.value.exit_code == 75
        assert resolved(direct, "anna@prod") == before
        check_whole(direct, tmp_path)
        server.away_until = 0
        version = publish(folder, registry).version
        stack(registry, version)
    assert resolved(direct, "anna@prod") == resolved(direct, "anna") == version


def test_a_move_whose_answer_was_lost_and_that_was_sent_again_is_a_move(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with overloaded(bucket, monkeypatch, tries=4) as (server, registry):
        version = publish(make_voice(tmp_path / "one", "one"), registry).version
        server.lose_answers_of = "_aliases/prod"
        stack(registry, version)
        assert server.lose_answers_of == ""
        assert resolved(registry, "anna@prod") == version
