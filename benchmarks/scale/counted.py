"""The API server, asked for plain JSON, with a count of what was asked: its own metrics do not tell clients apart."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kubernetes.client.exceptions import ApiException

from benchmarks.scale.standins import Json
from voicemill.cluster.kube import Kube, errors

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Counted:
    """Requests as whoever the kubeconfig names.

    Attributes:
        requests: How many of each (verb, resource) came from here.
    """

    def __init__(self, kube: Kube) -> None:
        self.api: Any = kube.api
        self.requests: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def get(self, path: str, *, resource: str = "", verb: str = "GET", accept: str = "application/json") -> bytes:
        """Return what lies at a path, which may have a query."""
        return self._send("GET", path, verb, resource, accept=accept).read()

    def post(self, path: str, body: Json, resource: str) -> None:
        """Make an object."""
        self._send("POST", path, "POST", resource, body=body).read()

    def delete(self, path: str, resource: str, verb: str = "DELETE") -> None:
        """Delete an object, or with `DELETECOLLECTION` a collection."""
        self._send("DELETE", path, verb, resource).read()

    def watch(self, path: str, resource: str, seconds: float) -> Iterator[Json]:
        """Events of a watch until it breaks or so many seconds are over; the path has a query with its version."""
        query = f"&watch=true&timeoutSeconds={seconds:.0f}"
        answer = self._send("GET", path + query, "WATCH", resource, timeout=2 * seconds)
        rest = b""
        for chunk in answer.response.stream(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, filter(None, lines))

    def totals(self) -> Counter[tuple[str, str]]:
        """Return how many requests of each (verb, resource) the API server has had, by its own count."""
        return requests_of(self.get("/metrics", accept="text/plain").decode())

    def _send(
        self,
        method: str,
        path: str,
        verb: str,
        resource: str,
        *,
        accept: str = "application/json",
        body: Json | None = None,
        timeout: float = 60,
    ) -> Any:
        with self._lock:
            self.requests[verb, resource] += 1
        path, _, query = path.partition("?")
        pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
        headers = {"Accept": accept, "Content-Type": "application/json"}
        sent = self.api.param_serialize(
            method, path, query_params=pairs, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        with errors(f"{method} {path}"):
            answer = self.api.call_api(*sent, _request_timeout=timeout)
            if answer.status >= 300:
                answer.read()
                raise ApiException(http_resp=answer)
        return answer


def requests_of(metrics: str) -> Counter[tuple[str, str]]:
    """Requests of each (verb, resource) in the API server's metrics, whatever their versions, scopes and answers."""
    counts: Counter[tuple[str, str]] = Counter()
    for found in _REQUESTS.finditer(metrics):
        labels = dict(_LABEL.findall(found["labels"]))
        name = "/".join(filter(None, [labels["resource"], labels.get("subresource")]))
        counts[labels["verb"], name] += int(float(found["count"]))
    return counts
