"""What a workflow's parameters are, by what the stages that they reach declare."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

from voicemill.contract import Stage
from voicemill.contract.declaration import ParameterField
from voicemill.engine.annotations import DESTINATIONS, LOCATIONS, annotated
from voicemill.engine.fields import Json
from voicemill.engine.validation import reachable
from voicemill.engine.workflow import Workflow, calls_of, text_of

__all__ = ["DESTINATIONS", "LOCATIONS", "declared", "parameters_of"]

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
    found = {name for called in reachable(workflow) for name in annotated(called.template, annotation)}
    found |= {own for own, template, name in _handed_on(workflow) if name in annotated(template, annotation)}
    return found & {item["name"] for item in (workflow.spec.get("arguments") or {}).get("parameters") or []}


def declared(workflow: Workflow) -> dict[str, ParameterField]:
    """The stages' declarations of the workflow's parameters that some task hands on to a stage as they are."""
    found: dict[str, ParameterField] = {}
    for own, template, name in _handed_on(workflow):
        command = (template.get("container") or {}).get("command") or []
        if "-m" in command[:-1]:
            module = importlib.import_module(command[command.index("-m") + 1])
            stages = [value for value in vars(module).values() if isinstance(value, Stage)]
            for field in (field for stage in stages for field in stage.parameters if field.name == name):
                found.setdefault(own, field)
    return found


def _handed_on(workflow: Workflow) -> Iterator[tuple[str, Json, str]]:
    """Each `{{workflow.parameters.NAME}}` that is all of an argument: NAME, the template called, its parameter."""
    for called in reachable(workflow):
        for call in calls_of(called.template):
            template = workflow.resolve(called.templates, call)[1]
            for argument in (call.get("arguments") or {}).get("parameters") or []:
                match = _PASSED_ON.fullmatch(text_of(argument.get("value", "")))
                if match:
                    yield match[1], template, argument["name"]
