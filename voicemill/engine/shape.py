"""Check the types in a workflow: maps where Argo has maps, lists where it has lists, strings for names.

The engine relies on these types. Which fields it supports is checked by `voicemill.engine.fields`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voicemill.core.display import display
from voicemill.core.json_values import is_list, is_object

_MAPS = "metadata spec arguments inputs outputs container script dag templateDefaults workflowTemplateRef templateRef"
_LISTS_OF_MAPS = "templates parameters artifacts tasks env volumes volumeMounts"
_TEXTS = "name template entrypoint onExit generateName"
_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(_MAPS.split(), (Mapping, "a map")),
    **dict.fromkeys(_LISTS_OF_MAPS.split(), (list, "a list")),
    **dict.fromkeys(_TEXTS.split(), (str, "a string")),
    **dict.fromkeys(("annotations", "labels"), (Mapping, "a map")),
    **dict.fromkeys(("command", "args"), (list, "a list")),
    "steps": (list, "a list"),
}
_FREE = {"value", "default", "withItems", "withParam", "enum", "podSpecPatch", "metrics"}
"""Fields whose content is not checked: values of any type, and Prometheus metrics, whose labels are a list."""


def problem(document: Mapping[str, Any]) -> str:
    """The first value of the wrong type in a Workflow or WorkflowTemplate, as `PLACE is VALUE, not a map`; or ""."""
    return next(_problems({name: document[name] for name in ("metadata", "spec") if name in document}, ""), "")


def _problems(fields: Mapping[Any, Any], place: str) -> Iterator[str]:
    for name, value in fields.items():
        here = f"{place}.{display(name, 40)}" if place else display(name, 40)
        if not isinstance(name, str):
            yield f"{here} is a key that is not a string"
            return
        kind = _KINDS.get(name)
        if kind and value is not None and not isinstance(value, kind[0]):
            yield f"{here} is {display(repr(value)[:200], 40)}, not {kind[1]}"
        elif name in ("annotations", "labels") or name in _FREE:
            continue
        elif is_object(value):
            yield from _problems(value, here)
        elif is_list(value):
            yield from _of_list(name, value, here)


def _of_list(name: str, items: list[Any], place: str) -> Iterator[str]:
    for number, item in enumerate(items):
        here = f"{place}[{number}]"
        if name in ("command", "args") and not isinstance(item, str):
            yield f"{here} is {display(repr(item)[:200], 40)}, not a string; put it in quotes"
        elif name in _LISTS_OF_MAPS.split() and not is_object(item):
            yield f"{here} is {display(repr(item)[:200], 40)}, not a map"
        elif name in ("templates", "parameters", "artifacts", "tasks") and "name" not in item:
            yield f"{here} has no name"
        elif is_object(item):
            yield from _problems(item, here)
        elif is_list(item):
            yield from _of_list("", item, here)
