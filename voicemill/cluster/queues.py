"""Kueue's queues: a pod with the label of one is gated until its queue has quota for it.

Neither Argo nor the kubelet says so: such a pod is Pending without a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
GROUP = "kueue.x-k8s.io"
LABEL = f"{GROUP}/queue-name"
"""Label of a pod that names the LocalQueue which it waits in."""


def queue_of(workflow: Json, template: str) -> str:
    """Return the queue of the pods of a template; empty where they wait in none.

    Args:
        workflow: A Workflow, or a WorkflowTemplate.
        template: Name of the template.
    """
    specs = list(_specs(workflow))
    own = [_label(each.get("metadata")) for spec in specs for each in _templates(spec) if each["name"] == template]
    # The controller puts a template's own labels over those of all pods.
    return next(filter(None, own), "") or next(filter(None, (_label(spec.get("podMetadata")) for spec in specs)), "")


def queues(workflow: Json) -> set[str]:
    """Return the queues that templates of a workflow name for their own pods."""
    labels = (_label(each.get("metadata")) for spec in _specs(workflow) for each in _templates(spec))
    return {label for label in labels if label}


def _specs(workflow: Json) -> Iterator[Json]:
    status = workflow.get("status") or {}
    yield workflow.get("spec") or {}
    yield status.get("storedWorkflowTemplateSpec") or {}
    yield {"templates": list((status.get("storedTemplates") or {}).values())}


def _templates(spec: Json) -> list[Json]:
    return spec.get("templates") or []


def _label(metadata: Json | None) -> str:
    return ((metadata or {}).get("labels") or {}).get(LABEL, "")
