"""A small server that speaks the Hugging Face hub's protocol, and GitHub's for release files.

Hub: `/{repo}/resolve/{revision}/{path}` with ETag, X-Repo-Commit and Range; large files are sent on to another address
with X-Linked-ETag (their SHA-256) and X-Linked-Size, as the hub does; `/api/models/{repo}/revision/{revision}`.
Any other path is looked up in `files` and sent on once, as GitHub does with release files.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "c0ffee" * 6 + "beef"
LARGE = 10_000
CHUNK = 4096


@dataclass
class Hub:
    """What is served, what was asked, and how the server misbehaves.

    Attributes:
        repositories: Repository -> path -> content.
        files: Path on the server -> content, for what is not on the hub.
        requests: `METHOD /path` or `METHOD /path Range` of each request.
        stop_after: Bytes after which a body stalls until `resume` is set; None for never.
        cut_after: Bytes after which the next body is cut off by closing the connection; None for never.
        altered: Paths whose body is sent with its last byte changed, while the headers stay true.
        status: Path -> HTTP status to answer with instead.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stop_after: int | None = None
    cut_after: int | None = None
    resume: threading.Event = field(default_factory=threading.Event)
    altered: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)

    def bodies(self) -> list[str]:
        """The requests for content, by path."""
        return [request for request in self.requests if request.startswith("GET") and "/api/" not in request]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends; `hub.url` is the address."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.resume.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        asked_range = self.headers.get("Range")
        self.hub.requests.append(" ".join(filter(None, [self.command, "/" + path, asked_range])))
        if path in self.hub.status:
            return self._send(self.hub.status[path], b"", {}, body)
        if path.startswith("api/models/"):
            return self._describe(path.removeprefix("api/models/"), body)
        if "/resolve/" in path:
            return self._resolve(path, body)
        name = path.removeprefix("cdn/")
        content = self.hub.files.get(name) or self._large(name)
        if content is None:
            return self._send(404, b"", {}, body)
        if path == name:
            return self._send(302, b"", {"Location": f"{self.hub.url}/cdn/{self.path.lstrip('/')}"}, body)
        self._send_content(name, content, {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}, body)

    def _describe(self, path: str, body: bool) -> None:
        repository = path.partition("/revision/")[0]
        content = self.hub.repositories.get(repository)
        if content is None:
            return self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        siblings = [{"rfilename": name} for name in content]
        answer = {"id": repository, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False, "downloads": 0}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"}, body)

    def _resolve(self, path: str, body: bool) -> None:
        repository, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        content = self.hub.repositories.get(repository, {}).get(name)
        if content is None or revision not in ("main", COMMIT):
            code = "EntryNotFound" if repository in self.hub.repositories else "RepoNotFound"
            return self._send(404, b"", {"X-Error-Code": code}, body)
        headers = {"X-Repo-Commit": COMMIT}
        if len(content) < LARGE:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            return self._send_content(name, content, {**headers, "ETag": f'"{blob}"'}, body)
        linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        # On another name of this host, so that it counts as another host, as the hub's storage does.
        elsewhere = self.hub.url.replace("127.0.0.1", "localhost")
        self._send(302, b"", {**headers, **linked, "Location": f"{elsewhere}/cdn/large/{repository}/{name}"}, body)

    def _large(self, name: str) -> bytes | None:
        owner_and_name = name.removeprefix("large/").split("/", 2)
        return self.hub.repositories.get("/".join(owner_and_name[:2]), {}).get(owner_and_name[-1])

    def _send_content(self, name: str, content: bytes, headers: dict[str, str], body: bool) -> None:
        if any(name.endswith(altered) for altered in self.hub.altered):
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, asked = 200, self.headers.get("Range")
        headers["Accept-Ranges"] = "bytes"
        if asked and body:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            status, content = 206, content[start:]
        self._send(status, content, headers, body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        for start in range(0, len(content), CHUNK):
            if self.hub.cut_after is not None and start >= self.hub.cut_after:
                self.hub.cut_after = None
                self.close_connection = True
                return
            if self.hub.stop_after is not None and start >= self.hub.stop_after:
                self.wfile.flush()
                self.hub.resume.wait()
            try:
                self.wfile.write(content[start : start + CHUNK])
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
                return

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `Hub.requests` is the log."""
