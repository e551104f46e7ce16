"""Which of a workflow's parameters name places, by what the stages that they reach declare."""

from __future__ import annotations

import re

from voicemill.engine.annotations import DESTINATIONS, LOCATIONS, annotated
from voicemill.engine.validation import reachable
from voicemill.engine.workflow import Workflow, calls_of, text_of

__all__ = ["DESTINATIONS", "LOCATIONS", "parameters_of"]

_PASSED_ON = re.compile(r"\{\{\s*workflow\.parameters\.([\w-]+)\s*\}\}")


def parameters_of(workflow: Workflow, annotation: str) -> set[str]:
    """Names of the workflow's parameters that some task hands on, as they are, to a stage's parameter of a kind, and of
    those that are called like one.

    Args:
        workflow: The workflow.
        annotation: The kind: `LOCATIONS` are read, `DESTINATIONS` are written to.

    Raises:
        Refused: for a task whose template does not exist.
    """
    found: set[str] = set()
    for called in reachable(workflow):
        found |= set(annotated(called.template, annotation))
        for call in calls_of(called.template):
            wanted = annotated(workflow.resolve(called.templates, call)[1], annotation)
            for argument in (call.get("arguments") or {}).get("parameters") or []:
                match = _PASSED_ON.fullmatch(text_of(argument.get("value", "")))
                if match and argument["name"] in wanted:
                    found.add(match[1])
    return found & {item["name"] for item in (workflow.spec.get("arguments") or {}).get("parameters") or []}
