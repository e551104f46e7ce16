"""Requests that never end cost the server nothing that others need."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from tests.proofread.factories import make_run
from tests.proofread.serving import serving
from voicemill.serving import connections
from voicemill.serving.connections import BACKLOG, BoundedProtocol

HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: "
WHOLE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SLOW_BODY = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Waits for the whole of a request, then answers much more than a socket's buffers hold where it asks for it."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000 if scope["path"] == "/large" else 1):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def serve(talk: Callable[[int], Awaitable[None]]) -> None:
    """Run a conversation with a server of these limits."""

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            echo, http=BoundedProtocol, ws="none", backlog=BACKLOG, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            await asyncio.wait_for(talk(listening.getsockname()[1]), 20)
        finally:
            server.should_exit = server.force_exit = True
            await serving

    asyncio.run(main())


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    begun = time.monotonic()
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begun


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(connections, "STALL_SECONDS", 0.3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begin", [b"", HALF, SLOW_BODY, WHOLE + HALF, b"\r\n", b"GET"])
def test_a_request_that_does_not_end_is_closed(begin: bytes) -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)
        assert await seconds_until_closed(reader) < 6  # 5 s is how long a connection is kept that was used

    serve(talk)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("begin", [HALF, SLOW_BODY])
def test_a_request_in_drops_is_closed_too(begin: bytes) -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)
        closed = asyncio.create_task(seconds_until_closed(reader))
        while not closed.done():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        assert closed.result() < 2

    serve(talk)


@pytest.mark.usefixtures("quick")
def test_an_answer_that_nobody_reads_is_closed() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(WHOLE.replace(b"/ ", b"/large ", 1))
        transport: Any = writer.transport
        transport.pause_reading()
        await asyncio.sleep(1.5)
        transport.resume_reading()
        received = 0
        try:
            while part := await reader.read(1 << 20):
                received += len(part)
        except ConnectionError:
            pass
        assert received < 1000 * 65536

    serve(talk)


def test_the_connection_that_waited_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "limit", 10)

    async def talk(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        for _, writer in held:
            writer.write(HALF)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WHOLE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert await seconds_until_closed(held[0][0]) < 1
        held[9][1].write(b"b\r\n\r\n")
        assert (await held[9][0].readline()).startswith(b"HTTP/1.1 200")

    serve(talk)


def test_what_is_not_http_gets_its_answer_before_the_connection_ends() -> None:
    async def talk(port: int) -> None:
        for request in (b"\x16\x03\x01\x02\x00" * 100, b"GET / HTTP/1.1\r\n\x00: x\r\n\r\n", HALF + b"x" * 300_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            await writer.drain()
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")

    serve(talk)


def test_more_half_requests_than_files_do_not_end_the_server(tmp_path: Path) -> None:
    make_run(str(tmp_path / "run"), tmp_path, recordings=1, each=2)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[socket.socket] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))  # for the server, which inherits it
    try:
        with serving(str(tmp_path / "run"), tmp_path) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for number in range(600):
                held.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
                held[-1].sendall(HALF)
                if number % 100 == 99:
                    assert requests.get(f"{server.origin}/healthz", timeout=5).status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in held:
            each.close()
