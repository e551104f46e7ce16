"""What happens to a task: its phase, its outputs, and what other tasks may read of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from voicemill.core import untrusted
from voicemill.engine.go_json import marshal


class Phase(StrEnum):
    """Argo's node phases. `Cached` is not among them: it is a Succeeded that ran in an earlier run."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    SKIPPED = "Skipped"
    OMITTED = "Omitted"

    @property
    def completed(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR)

    @property
    def unsuccessful(self) -> bool:
        return self in (Phase.FAILED, Phase.ERROR)


@dataclass
class Node:
    """A task, step, template call or single try.

    Attributes:
        name: As Argo displays it below the workflow's name: `transcribe`, `clips(0:a)`, `train.fit`; unique in a run.
        folder: Name of its folder in the run folder, once it is called.
        key: Digest of everything that the outputs follow from, once known.
        branch: Phases of the last tasks that completed on the ways that lead here; an omitted task hands on its
            parents'.
        children: Tries of a retried task, or the expanded tasks of a fan-out.
        artifacts: Places of the output artifacts that exist, by name.
    """

    name: str
    template: str = ""
    phase: Phase = Phase.PENDING
    message: str = ""
    started: float = 0.0
    finished: float = 0.0
    cached: bool = False
    is_pod: bool = False
    folder: str = ""
    is_group: bool = False
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    artifacts: dict[str, Path] = field(default_factory=dict[str, Path])
    result: str | None = None
    exit_code: int | None = None
    key: str = ""
    branch: set[Phase] = field(default_factory=set[Phase])
    children: list[Node] = field(default_factory=lambda: [])

    @property
    def display_name(self) -> str:
        """The last part of the name; the dots inside a fan-out's item do not part it."""
        head, bracket, item = self.name.partition("(")
        return head.rpartition(".")[2] + bracket + item

    @property
    def seconds(self) -> float:
        return (self.finished or time.time()) - self.started if self.started else 0.0

    def end(self, phase: Phase, message: str = "") -> Node:
        """Enter a final phase; the first one stays."""
        self.phase, self.message, self.finished = phase, message, time.time()
        self.started = self.started or self.finished
        return self


def aggregated(children: list[Node]) -> dict[str, str]:
    """Return the output parameters of a fan-out, each a JSON list in the order of its items, of those that succeeded.

    Values that are all JSON lists or maps are put in as such, anything else as text.
    Source: Argo's operator.go, processAggregateNodeOutputs, tryJSONUnmarshal.
    """
    done = [child for child in children if child.phase is Phase.SUCCEEDED]
    names = dict.fromkeys(name for child in done for name in child.parameters)
    return {name: _json_list([child.parameters[name] for child in done if name in child.parameters]) for name in names}


def _json_list(values: list[str]) -> str:
    try:
        parsed = [untrusted.json_value(value, object) for value in values]
    except untrusted.Unreadable:
        parsed = []
    structured = len(parsed) == len(values) and all(isinstance(item, (list, dict)) for item in parsed)
    return marshal(parsed if structured else values)
