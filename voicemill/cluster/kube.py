"""Workflows by the Kubernetes API."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicemill.cluster import nodes
from voicemill.cluster.api import GROUP, VERSION, AlreadyThere, Json, NotConfigured, NotThere, error_of
from voicemill.core.errors import TryAgain

_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_TRIES = 10
_PAGE = 500
_SECONDS = 60
"""What an answer may take; a connection that died silently would be waited for without end."""
_SKETCH = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}


class Kube:
    """See `voicemill.cluster.api.Api`."""

    def __init__(self, namespace: str | None = None) -> None:
        from kubernetes import client

        self.api, default = _client()
        self.namespace = namespace or os.environ.get("ARGO_NAMESPACE") or default
        self.core = client.CoreV1Api(self.api)
        self._objects = client.CustomObjectsApi(self.api)

    def template(self, name: str) -> Json:
        return self._get("workflowtemplates", name)

    def create(self, workflow: Json) -> Json:
        name = workflow["metadata"]["name"]
        with errors(f"workflow {name} of the namespace {self.namespace}"):
            created: Any = self._objects.create_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                "workflows",
                workflow,
                field_validation="Strict",
                _request_timeout=_SECONDS,
            )
        return created

    def workflow(self, name: str) -> Json:
        return nodes.unpacked(self._get("workflows", name))

    def workflows(self, selector: str) -> list[Json]:
        with errors(f"list of the workflows of the namespace {self.namespace}"):
            found: Any = self._objects.list_namespaced_custom_object(
                GROUP, VERSION, self.namespace, "workflows", label_selector=selector, _request_timeout=_SECONDS
            )
        return [nodes.unpacked(item) for item in found["items"]]

    def sketches(self, selector: str) -> Iterator[Json]:
        token = None
        while True:
            with errors(f"list of the workflows of the namespace {self.namespace}"):
                page: Any = self._objects.list_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    "workflows",
                    label_selector=selector,
                    limit=_PAGE,
                    _continue=token,
                    _headers=_SKETCH,
                    _request_timeout=_SECONDS,
                )
            # An empty list of metadata comes as null.
            for item in page["items"] or []:
                # Who wrote which field, by far the largest part of it, is nobody's business here.
                item["metadata"].pop("managedFields", None)
                yield item
            token = page["metadata"].get("continue")
            if not token:
                return

    def stop(self, name: str, because: str = "") -> None:
        reason = {"metadata": {"annotations": {nodes.STOPPED_BECAUSE: because}}} if because else {}
        self._patch(name, {**reason, "spec": {"shutdown": "Stop"}})

    def terminate(self, name: str) -> None:
        """End a Workflow at once; its exit handler does not run."""
        self._patch(name, {"spec": {"shutdown": "Terminate"}})

    def note(self, name: str, **metadata: Any) -> None:
        """Add to a Workflow's metadata, such as `labels` and `annotations`."""
        self._patch(name, {"metadata": metadata})

    def event(self, name: str, uid: str, reason: str, message: str, *, is_warning: bool) -> None:
        """Create an event on a Workflow.

        Args:
            name: The Workflow's.
            uid: The Workflow's.
            reason: In one word.
            message: In a sentence; the API server takes 1,024 characters.
            is_warning: Whether a person should look.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body: Any = {
            "metadata": {"name": f"{name}.{uuid.uuid4().hex[:16]}", "namespace": self.namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "Workflow",
                "name": name,
                "namespace": self.namespace,
                "uid": uid,
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if is_warning else "Normal",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "voicemill"},
        }
        with errors(f"event of the workflow {name} in the namespace {self.namespace}"):
            self.core.create_namespaced_event(self.namespace, body, _request_timeout=_SECONDS)

    def resume(self, name: str, node_id: str, parameters: dict[str, str]) -> None:
        for _ in range(_TRIES):
            workflow = self.workflow(name)
            version = {"resourceVersion": workflow["metadata"]["resourceVersion"]}
            change = nodes.resumed(workflow, node_id, parameters)
            try:
                # With its version: where the controller wrote in the meantime, the change is recreated.
                self._patch(name, {"metadata": version, "status": change})
                return
            except AlreadyThere:
                continue
        raise TryAgain(f"{name} keeps changing; try again")

    def logs(self, name: str, node: Json, *, follow: bool) -> Iterator[str]:
        with errors(f"list of the pods of {name}"):
            selector = f"workflows.argoproj.io/workflow={name}"
            pods: Any = self.core.list_namespaced_pod(self.namespace, label_selector=selector)
        here = [
            pod.metadata.name
            for pod in pods.items
            if (pod.metadata.annotations or {}).get("workflows.argoproj.io/node-id") == node["id"]
        ]
        if not here:
            raise NotThere(f"the pod of {node['displayName']} is gone")
        with errors(f"log of the pod {here[0]}"):
            stream: Any = self.core.read_namespaced_pod_log(
                here[0], self.namespace, container="main", follow=follow, _preload_content=False
            )
            rest = b""
            for chunk in stream.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
            if rest:
                yield rest.decode(errors="replace")

    def _get(self, plural: str, name: str) -> Json:
        with errors(f"{plural[:-1]} {name} in the namespace {self.namespace}"):
            found: Any = self._objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=_SECONDS
            )
        return found

    def _patch(self, name: str, change: Json) -> None:
        with errors(f"workflow {name} in the namespace {self.namespace}"):
            self._objects.patch_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                "workflows",
                name,
                change,
                _content_type="application/merge-patch+json",
                _request_timeout=_SECONDS,
            )


def _client() -> tuple[Any, str]:
    """Return the API client and the namespace that the configuration names."""
    from kubernetes import client, config

    if _IN_POD.exists() and not os.environ.get("KUBECONFIG"):
        config.load_incluster_config()
        return client.ApiClient(), _IN_POD.read_text().strip()
    # Named, as the client reads the variable when it is imported and never again.
    file = os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION
    try:
        contexts = config.list_kube_config_contexts(file)
        return config.new_client_from_config(file), contexts[1]["context"].get("namespace", "default")
    except config.ConfigException as error:
        raise NotConfigured(
            f"no cluster is configured ({error}); set KUBECONFIG, or ARGO_SERVER and ARGO_TOKEN"
        ) from error


@contextmanager
def errors(what: str) -> Iterator[None]:
    """Errors of the Kubernetes client in the terms of the commands.

    Args:
        what: What was asked for.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        try:
            message = json.loads(error.body or "{}").get("message") or error.reason
        except (ValueError, TypeError, AttributeError):
            message = error.reason
        raise error_of(int(error.status or 0), str(message), what) from error
    except HTTPError as error:
        raise TryAgain(f"the cluster cannot be reached: {what} ({error})") from error
