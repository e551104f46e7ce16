"""What every request must be like, and what every answer says to the browser."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = "x-voicemill"
"""A header that only our own page can set: no other site may, without being asked for first, and it never is."""
LARGEST_BODY = 64 * 1024
LARGEST_HEADERS = 32 * 1024
MOST_HEADERS = 100
_LONGEST_LENGTH = 20  # digits
_SAFE = ("GET", "HEAD")
_ANSWERS = {
    # Nothing but our own files, nothing inline: text that was stored cannot run, even if it became HTML.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses what our page would never send, before anything reads it.

    Args:
        app: What it guards.
        hosts: Host names that requests may name; None takes any. On a laptop this keeps other sites' names, made to
            point at this machine, from reaching it.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] | None = None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is None and scope["method"] not in _SAFE:
            body = await _body(receive)
            if body is None:
                refused = _too_large()
            else:
                receive = _again(body, receive)
        await (refused or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        size = sum(len(name) + len(value) for name, value in headers.raw)
        if size > LARGEST_HEADERS or len(headers.raw) > MOST_HEADERS:
            return _error(431, "too-large", "the headers are too large")
        host = headers.get("host", "")
        if self._hosts is not None and _split(f"//{host}").hostname not in self._hosts:
            return _error(421, "host", "unknown Host header: this server is not known by that name")
        if scope["method"] in _SAFE:
            return None
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        foreign = site != "same-origin" or (origin is not None and _split(origin).netloc != host)
        if foreign or MARK not in headers or headers.get("content-type", "").partition(";")[0] != "application/json":
            return _error(403, "foreign", "the request does not come from the proofreading page")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or len(length) > _LONGEST_LENGTH or int(length) > LARGEST_BODY:
            return _too_large()
        return None


def _split(address: str) -> SplitResult:
    """Return the parts of an address; none where it is not one, such as one with half of an IPv6 address."""
    try:
        parts = urlsplit(address)
        _ = parts.hostname, parts.port  # only parsed when asked for
    except ValueError:
        return urlsplit("")
    return parts


async def _body(receive: Receive) -> bytes | None:
    """Return a whole body; None as soon as it is too large, whatever length it promised."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a body that was received, received once more; then whatever comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _too_large() -> JSONResponse:
    return _error(413, "too-large", "the request is too large")


def _error(status: int, code: str, sentence: str) -> JSONResponse:
    return JSONResponse({"error": code, "message": sentence}, status_code=status)
