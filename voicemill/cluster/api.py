"""What the commands ask of a cluster, whichever way it is reached; see `voicemill.cluster.connection`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from voicemill.core.errors import InputError, TryAgain, Unavailable, VoicemillError

Json = dict[str, Any]
GROUP, VERSION = "argoproj.io", "v1alpha1"


class NotAllowed(Unavailable):
    """The cluster knows who asks, or does not, and refuses."""


class NotConfigured(Unavailable):
    """Nothing says which cluster is meant."""


class NotThere(InputError):
    """The cluster has no object of that name."""


class AlreadyThere(InputError):
    """The cluster has an object of that name."""


class Api(Protocol):
    """Workflows of one namespace. Objects are plain dictionaries, as in YAML.

    All methods raise `TryAgain` where the cluster cannot be reached, `NotAllowed` where it refuses, `NotThere` for
    names that it does not know, `InputError` for objects that it does not take.
    """

    namespace: str

    def template(self, name: str) -> Json:
        """Return a WorkflowTemplate."""
        ...

    def create(self, workflow: Json) -> Json:
        """Create a Workflow. Raises `AlreadyThere` for a name that is taken."""
        ...

    def workflow(self, name: str) -> Json:
        """Return a Workflow with its whole status."""
        ...

    def workflows(self, selector: str) -> list[Json]:
        """Return the Workflows whose labels fit."""
        ...

    def sketches(self, selector: str) -> Iterator[Json]:
        """Name, labels and annotations of the Workflows whose labels fit, a page at a time: for thousands of them."""
        ...

    def stop(self, name: str, because: str = "") -> None:
        """End a Workflow; its exit handler still runs.

        Args:
            name: The Workflow.
            because: Why it is not a person who stops it; a later look at the run shows it. An Argo server drops it.
        """
        ...

    def resume(self, name: str, node_id: str, parameters: dict[str, str]) -> None:
        """Let exactly one suspended node go on.

        Args:
            name: The Workflow.
            node_id: Id of the node.
            parameters: Values of its supplied output parameters; those not named take their defaults.

        Raises:
            InputError: The node does not wait, or lacks a value.
        """
        ...

    def logs(self, name: str, node: Json, *, follow: bool) -> Iterator[str]:
        """Return the lines of a node's main container. Raises `NotThere` where its pod is gone."""
        ...


def error_of(status: int, message: str, what: str) -> VoicemillError:
    """Return the error that a command reports for an unsuccessful HTTP response.

    Args:
        status: Of HTTP.
        message: The server's own words.
        what: What was asked for.
    """
    if status in (401, 403):
        return NotAllowed(f"permission denied by the cluster: {what} ({message})")
    if status == 404:
        return NotThere(f"the cluster has no {what}")
    if status == 409:
        return AlreadyThere(f"{what}: {message}")
    # 410: the cluster has forgotten where a list that comes in pages began.
    if status in (410, 429) or status >= 500:
        return TryAgain(f"the cluster is temporarily unavailable: {what} ({status}, {message})")
    return InputError(f"the cluster rejected it: {what} ({message})")
