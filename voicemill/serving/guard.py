"""What every request must be like before anything reads it, and what every answer says to a browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemill.serving.errors import answer

LARGEST_BODY = 256 * 1024
_ANSWERS = {
    # Nothing but our own files, nothing inline; what was said is played from a blob.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses what no client of ours sends.

    Args:
        app: What it guards.
        hosts: Host names that requests may name; None takes any. On a laptop this keeps other sites' names, made to
            point at this machine, from reaching it.
        refuses_sites: Refuse what a browser sends for another site's page: where no key is asked for, any page that
            somebody looks at could otherwise let their machine speak.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] | None = None, refuses_sites: bool = False) -> None:
        self._app, self._hosts, self._refuses_sites = app, hosts, refuses_sites

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ANSWERS.items():
                    headers.setdefault(name, value)
            await send(message)

        status, sentence = self._refusal(Headers(scope=scope))
        body = b""
        while not status and scope["method"] not in ("GET", "HEAD"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > LARGEST_BODY:
                status, sentence = 413, f"the request is larger than {LARGEST_BODY} bytes"
            if not message.get("more_body"):
                break
        if status:
            await answer(Request(scope), status, sentence)(scope, receive, send_guarded)
            return
        pending: list[Message] = [{"type": "http.request", "body": body}]

        async def receive_again() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, receive_again, send_guarded)

    def _refusal(self, headers: Headers) -> tuple[int, str]:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if self._hosts is not None and name not in self._hosts:
            return 421, "this server is not known by that name"
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdecimal() and (len(length) > 15 or int(length) > LARGEST_BODY):
            return 413, f"the request is larger than {LARGEST_BODY} bytes"
        if self._refuses_sites and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "requests of other sites' pages are refused; serve with --keys and send one"
        return 0, ""
