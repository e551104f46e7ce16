"""A small server that speaks as much of Kubernetes' and of Argo's server's REST as the commands use."""

from __future__ import annotations

import copy
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
ARGO = "/apis/argoproj.io/v1alpha1"
TOKEN = "Bearer a-token"


@dataclass
class Cluster:
    """What is there, what was asked, and how the server misbehaves.

    Attributes:
        url: Its address.
        objects: (kind's plural, name) -> object; all in one namespace.
        script: Statuses that a workflow takes, one after the other, each time it is looked at.
        logs: Pod -> its log.
        groups: Other groups of APIs that it has, with their version.
        rights: What a review of rights denies, as `verb resource`.
        refused: Words for which an object is not taken.
        status: Path -> HTTP status to answer with instead.
        conflicts: How many patches meet a change of someone else's.
        page: How many objects a list gives at a time at most.
        requests: `METHOD path` of each request.
        lock: Held while a request is answered, or by who else changes objects.
    """

    url: str = ""
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    script: list[Json] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    rights: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    conflicts: int = 0
    page: int = 1000
    requests: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, plural: str, item: Json) -> Json:
        item.setdefault("metadata", {}).setdefault("resourceVersion", "1")
        self.objects[plural, item["metadata"]["name"]] = item
        return item

    @property
    def runs(self) -> list[Json]:
        return [item for (plural, _), item in self.objects.items() if plural == "workflows"]


@contextmanager
def serving(cluster: Cluster) -> Iterator[Cluster]:
    """Serve until the block ends."""

    class Handler(_Handler):
        pass

    Handler.cluster = cluster
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    yield cluster
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: pytest's output is long enough."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def _answer(self, method: str) -> None:
        parts = urllib.parse.urlsplit(self.path)
        self.cluster.requests.append(f"{method} {parts.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(urllib.parse.parse_qsl(parts.query))
        if self.headers.get("Authorization") != TOKEN:
            return self._send(401, b'{"message": "Unauthorized"}')
        if parts.path in self.cluster.status:
            return self._send(self.cluster.status[parts.path], b'{"message": "as the test wants it"}')
        with self.cluster.lock:
            status, found = self._route(method, parts.path, json.loads(body) if body else None, query)
            data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self._send(status, data, is_text=isinstance(found, str))

    def _send(self, status: int, data: bytes, *, is_text: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, method: str, path: str, body: Any, query: dict[str, str]) -> tuple[int, Json | str]:
        if path.startswith("/api/v1/workflow"):
            return self._argo_server(method, path.removeprefix("/api/v1/").split("/"), body, query)
        if path == "/version/":
            return 200, _version()
        if path == "/apis/":
            versions = {
                name: {"groupVersion": f"{name}/{version}", "version": version}
                for name, version in self.cluster.groups.items()
            }
            groups = [{"name": name, "versions": [each], "preferredVersion": each} for name, each in versions.items()]
            return 200, {"kind": "APIGroupList", "groups": groups}
        if path == ARGO:
            plurals = ("workflows", "workflowtemplates", "workflowtaskresults", "workflowartifactgctasks")
            resources = [
                {"name": name, "kind": "K", "namespaced": True, "singularName": "", "verbs": []} for name in plurals
            ]
            return 200, {"groupVersion": "argoproj.io/v1alpha1", "resources": resources}
        if path.endswith("accessreviews"):
            asked = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, [asked["resource"], asked.get("subresource")]))
            allowed = f"{asked['verb']} {resource}" not in self.cluster.rights
            return 201, {**body, "status": {"allowed": allowed}}
        if path.endswith("/log"):
            return 200, self.cluster.logs[path.split("/")[-2]]
        *_, plural, name = path.split("/") if "/namespaces/" in path else ["", path.split("/")[-1], ""]
        if name in ("workflows", "pods"):
            plural, name = name, ""
        if method == "POST" and name == "events":
            return 201, self.cluster.add("events", body)
        if method == "POST":
            return self._create(body)
        if not name:
            return 200, self._list(plural, query)
        if (plural, name) not in self.cluster.objects:
            return 404, {"message": f"{plural} {name} not found"}
        return (200, self._look(plural, name)) if method == "GET" else self._patch(plural, name, body)

    def _argo_server(self, method: str, parts: list[str], body: Any, query: dict[str, str]) -> tuple[int, Json | str]:
        plural = "workflows" if parts[0] == "workflows" else "workflowtemplates"
        if method == "POST":
            return self._create(body["workflow"])
        if len(parts) == 2:
            return 200, self._list(plural, query)
        if (plural, parts[2]) not in self.cluster.objects:
            return 404, {"message": f"{parts[2]} not found"}
        if parts[3:] == ["log"]:
            lines = self.cluster.logs[query["podName"]].splitlines()
            return 200, "".join(json.dumps({"result": {"content": line, "podName": "p"}}) + "\n" for line in lines)
        item = self.cluster.objects[plural, parts[2]]
        if parts[3:] == ["stop"]:
            item["spec"]["shutdown"] = "Stop"
        if parts[3:] in (["set"], ["resume"]):
            identity = body["nodeFieldSelector"].removeprefix("id=")
            node = item["status"]["nodes"][identity]
            if parts[3] == "set":
                values = json.loads(body["outputParameters"])
                node["outputs"]["parameters"] = [{"name": key, "value": value} for key, value in values.items()]
            else:
                node["phase"] = "Succeeded"
        return 200, self._look(plural, parts[2])

    def _create(self, body: Json) -> tuple[int, Json]:
        name = body["metadata"]["name"]
        if ("workflows", name) in self.cluster.objects:
            return 409, {"message": f"workflows {name} already exists"}
        if any(word in json.dumps(body) for word in self.cluster.refused):
            return 422, {"message": "it is not valid"}
        created = f"2026-01-01T00:00:{len(self.cluster.objects) % 60:02}Z"
        body["metadata"] |= {"namespace": "voices", "uid": f"uid-{name}", "creationTimestamp": created}
        return 201, self.cluster.add("workflows", body)

    def _list(self, plural: str, query: dict[str, str]) -> Json:
        selector = query.get("labelSelector") or query.get("listOptions.labelSelector") or ""
        items = [item for (kind, _), item in list(self.cluster.objects.items()) if kind == plural]
        fitting = [item for item in items if fits(selector, item["metadata"].get("labels") or {})]
        begin = int(query.get("continue") or query.get("listOptions.continue") or 0)
        limit = int(query.get("limit") or query.get("listOptions.limit") or len(fitting) + 1)
        page = fitting[begin : begin + min(limit, self.cluster.page)]
        more = {"continue": str(begin + len(page))} if begin + len(page) < len(fitting) else {}
        if "PartialObjectMetadataList" in (self.headers.get("Accept") or ""):
            # As the API server says it: null for none.
            page = [{"metadata": item["metadata"]} for item in page] or None
        if page and "fields" in query:
            page = [{"metadata": _only(query["fields"], item["metadata"])} for item in page]
        return {"apiVersion": "v1", "kind": "List", "metadata": more, "items": page}

    def _look(self, plural: str, name: str) -> Json:
        item = self.cluster.objects[plural, name]
        if plural == "workflows" and self.cluster.script:
            item["status"] = self.cluster.script.pop(0)
        return item

    def _patch(self, plural: str, name: str, change: Json) -> tuple[int, Json]:
        item = self.cluster.objects[plural, name]
        if self.cluster.conflicts:
            self.cluster.conflicts -= 1
            item["metadata"]["resourceVersion"] = str(int(item["metadata"]["resourceVersion"]) + 1)
        version = change.get("metadata", {}).get("resourceVersion")
        if version not in (None, item["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        self.cluster.objects[plural, name] = _merged(item, change)
        return 200, self.cluster.objects[plural, name]


def fits(selector: str, labels: dict[str, str]) -> bool:
    """Whether labels fit a selector: `key=value`, `key`, `!key`, with commas between."""
    for part in filter(None, selector.split(",")):
        key, equals, value = part.lstrip("!").partition("=")
        if (key in labels) == part.startswith("!") or (equals and labels[key] != value):
            return False
    return True


def _only(fields: str, metadata: Json) -> Json:
    """Of metadata, what Argo's server gives where only some fields are asked for."""
    named = {field.removeprefix("items.metadata.") for field in fields.split(",")}
    return {key: value for key, value in metadata.items() if key in named}


def _merged(base: Any, change: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    merged = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _version() -> Json:
    texts = (
        "buildDate",
        "compiler",
        "gitCommit",
        "gitTreeState",
        "gitVersion",
        "goVersion",
        "major",
        "minor",
        "platform",
    )
    return {**dict.fromkeys(texts, "x"), "major": "1", "minor": "34", "gitVersion": "v1.34.4"}
