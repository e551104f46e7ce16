"""Images that cannot be pulled: Kubernetes tries for ever, and the pod keeps its place and its GPU meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from voicemill.cluster import nodes
from voicemill.cluster.api import Json

LIMIT = "voicemill.dev/image-pull-seconds"
"""Annotation of a workflow: how long an image may be waited for that cannot be pulled."""
DEFAULT_SECONDS = 600.0
_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def refusal(task: nodes.Task) -> str:
    """Return why a task's image cannot be pulled, as the kubelet says it; empty where nothing is wrong."""
    message = task.node["message"]
    return message if task.phase == "Pending" and message.startswith(_REASONS) else ""


class ImagePulls:
    """Watches a run for images that cannot be pulled for too long.

    Args:
        clock: Seconds that go by.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def overdue(self, workflow: Json) -> str:
        """Return what is to be said of a run that waits too long for an image; empty if none does.

        Args:
            workflow: As it was just looked at.
        """
        limit = float((workflow["metadata"].get("annotations") or {}).get(LIMIT) or DEFAULT_SECONDS)
        stuck = {task.node["id"]: task for task in nodes.tasks(workflow) if refusal(task)}
        now = self._clock()
        self._since = {identity: self._since.get(identity, now) for identity in stuck}
        for identity, since in self._since.items():
            if now - since >= limit:
                task = stuck[identity]
                return (
                    f"the image of {task.name} could not be pulled for {limit:.0f} seconds ({refusal(task)}); check the"
                    " chart's images.registry, images.tag and images.pullSecrets"
                )
        return ""
