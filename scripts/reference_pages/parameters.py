"""What the pages of stages and workflows say of a parameter: its default and the values that it takes."""

from __future__ import annotations

from typing import Any

from voicemill.contract.declaration import REQUIRED, ParameterField
from voicemill.engine import workflow as workflows

OPTION_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def default(item: ParameterField) -> str:
    if item.default is REQUIRED:
        return "required"
    return f"`{item.text()}`" if item.text() else ""


def given_default(declared: dict[str, Any], fields: list[ParameterField]) -> str:
    """Return a workflow's default; where it is empty, and so leaves the option to the stage, the stage's."""
    value = declared.get("value", declared.get("default"))
    if value is None:
        return "" if "valueFrom" in declared else "required"
    text = workflows.text_of(value)
    if not text and fields and fields[0].default is not REQUIRED:
        text = fields[0].text()
    return f"`{text}`" if text else ""


def values(item: ParameterField) -> str:
    if item.choices:
        return ", ".join(f"`{choice}`" for choice in item.choices)
    if item.place:
        kind = {"any": "path", "file": "file", "folder": "folder"}[item.place.kind]
        other = f" or {item.place.otherwise}" if item.place.otherwise else ""
        return f"{kind}{other}" + (", several by commas" if item.place.is_list else "")
    name = {int: "integer", float: "number", bool: "`true`, `false`", str: "text"}[item.type]
    bounds = ", ".join(f"{OPTION_SIGNS[sign]} {_number(bound)}" for sign, bound in item.bounds.items())
    return " ".join(part for part in (name, bounds.replace("<", "&lt;")) if part)


def values_of(fields: list[ParameterField], declared: dict[str, Any]) -> str:
    if choices := [workflows.text_of(choice) for choice in declared.get("enum") or []]:
        return ", ".join(f"`{choice}`" for choice in choices if choice)
    return values(fields[0]) if fields else "text"


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"
