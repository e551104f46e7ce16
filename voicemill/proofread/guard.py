"""What every request must be like, and what every answer says to the browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK = "x-voicemill"
"""A header that only our own page can set: no other site may, without being asked for first, and it never is."""
LARGEST_BODY = 64 * 1024
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
        if refused is not None:
            await refused(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, _limited(receive), send_guarded)
        except _TooLarge:
            await _error(413, "too-large", "the request is too large")(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and urlsplit(f"//{host}").hostname not in self._hosts:
            return _error(421, "host", "this server is not known by that name")
        if scope["method"] in _SAFE:
            return None
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        foreign = site != "same-origin" or (origin is not None and urlsplit(origin).netloc != host)
        if foreign or MARK not in headers or headers.get("content-type", "").partition(";")[0] != "application/json":
            return _error(403, "foreign", "the request does not come from the proofreading page")
        if not headers.get("content-length", "0").isdecimal() or int(headers.get("content-length", 0)) > LARGEST_BODY:
            return _error(413, "too-large", "the request is too large")
        return None


class _TooLarge(Exception):
    pass


def _limited(receive: Receive) -> Receive:
    """A body without a length, or with a wrong one, is cut off as soon as it is too large."""
    seen = 0

    async def receive_some() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            raise _TooLarge
        return message

    return receive_some


def _error(status: int, code: str, sentence: str) -> JSONResponse:
    return JSONResponse({"error": code, "message": sentence}, status_code=status)
