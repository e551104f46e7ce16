"""Workflows by Argo's server, through Hera's service."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from voicemill.cluster import nodes
from voicemill.cluster.api import GROUP, VERSION, Json, NotThere, error_of
from voicemill.core.errors import TryAgain

_TRUE = ("1", "true", "yes")
_PAGE = 500
_SKETCH = ",".join(
    ["metadata", *(f"items.metadata.{field}" for field in ("name", "creationTimestamp", "labels", "annotations"))]
)


class ArgoServer:
    """See `voicemill.cluster.api.Api`."""

    def __init__(self, namespace: str | None = None) -> None:
        from hera.workflows import WorkflowsService

        self.namespace = namespace or os.environ.get("ARGO_NAMESPACE") or "default"
        server = os.environ["ARGO_SERVER"]
        scheme = "http" if os.environ.get("ARGO_SECURE", "true").lower() not in _TRUE else "https"
        base = os.environ.get("ARGO_BASE_HREF", "").strip("/")
        host = server if "://" in server else f"{scheme}://{server}"
        self.service = WorkflowsService(
            # Hera joins paths to what ends with a slash.
            host=f"{host.rstrip('/')}/{base}/" if base else f"{host.rstrip('/')}/",
            token=os.environ.get("ARGO_TOKEN"),
            verify_ssl=os.environ.get("ARGO_INSECURE_SKIP_VERIFY", "").lower() not in _TRUE,
            namespace=self.namespace,
        )

    def template(self, name: str) -> Json:
        with _errors(f"workflowtemplate {name} in the namespace {self.namespace}"):
            return _plain(self.service.get_workflow_template(name, self.namespace))

    def create(self, workflow: Json) -> Json:
        from hera.workflows import models

        with _errors(f"workflow {workflow['metadata']['name']} of the namespace {self.namespace}"):
            request = models.WorkflowCreateRequest(workflow=models.Workflow(**workflow))
            return _plain(self.service.create_workflow(request, self.namespace))

    def workflow(self, name: str) -> Json:
        with _errors(f"workflow {name} in the namespace {self.namespace}"):
            return nodes.unpacked(_plain(self.service.get_workflow(name, self.namespace)))

    def workflows(self, selector: str) -> list[Json]:
        with _errors(f"list of the workflows of the namespace {self.namespace}"):
            found = self.service.list_workflows(self.namespace, label_selector=selector)
        return [nodes.unpacked(_plain(item)) for item in found.items or []]

    def sketches(self, selector: str) -> Iterator[Json]:
        import requests

        # Hera reads whole Workflows only.
        what = f"list of the workflows of the namespace {self.namespace}"
        query = {"listOptions.labelSelector": selector, "listOptions.limit": str(_PAGE), "fields": _SKETCH}
        while True:
            with _errors(what):
                url = f"{self.service.host}api/v1/workflows/{self.namespace}"
                answer = requests.get(
                    url, params=query, headers=self._headers(), verify=self.service.verify_ssl, timeout=60
                )
            if not answer.ok:
                raise error_of(answer.status_code, answer.text[:300], what)
            page = answer.json()
            yield from page.get("items") or []
            token = page["metadata"].get("continue")
            if not token:
                return
            query["listOptions.continue"] = token

    def stop(self, name: str, because: str = "") -> None:
        from hera.workflows import models

        with _errors(f"workflow {name} in the namespace {self.namespace}"):
            self.service.stop_workflow(name, models.WorkflowStopRequest(message=because or None), self.namespace)

    def resume(self, name: str, node_id: str, parameters: dict[str, str]) -> None:
        from hera.workflows import models

        answers = nodes.answers(self.workflow(name), node_id, parameters)
        selector = f"id={node_id}"
        with _errors(f"workflow {name} in the namespace {self.namespace}"):
            if answers:
                request = models.WorkflowSetRequest(node_field_selector=selector, output_parameters=json.dumps(answers))
                self.service.set_workflow(name, request, self.namespace)
            resume = models.WorkflowResumeRequest(node_field_selector=selector)
            self.service.resume_workflow(name, resume, self.namespace)

    def logs(self, name: str, node: Json, *, follow: bool) -> Iterator[str]:
        import requests

        # Hera reads a single answer; the log comes as one JSON object a line, as long as the pod runs.
        query = {
            "podName": nodes.pod_name(name, node),
            "logOptions.container": "main",
            "logOptions.follow": str(follow).lower(),
        }
        url = f"{self.service.host}api/v1/workflows/{self.namespace}/{name}/log"
        headers = self._headers()
        with _errors(f"log of {node['displayName']} of {name}"):
            answer = requests.get(
                url, params=query, headers=headers, stream=True, verify=self.service.verify_ssl, timeout=(10, None)
            )
            if not answer.ok:
                raise error_of(answer.status_code, answer.text[:300], f"log of {node['displayName']} of {name}")
            found = False
            for line in answer.iter_lines():
                result = json.loads(line).get("result") if line else None
                if result:
                    found = True
                    yield result.get("content", "")
            if not found:
                raise NotThere(f"the pod of {node['displayName']} is gone, or has no log")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self.service.token} if self.service.token else {}


def _plain(model: Any) -> Json:
    found = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    return {"apiVersion": f"{GROUP}/{VERSION}", **found}


@contextmanager
def _errors(what: str) -> Iterator[None]:
    import requests
    from hera.exceptions import HeraException

    try:
        yield
    except HeraException as error:
        raise error_of(getattr(error, "status_code", 500), str(error), what) from error
    except requests.RequestException as error:
        raise TryAgain(f"Argo's server cannot be reached: {what} ({error})") from error
