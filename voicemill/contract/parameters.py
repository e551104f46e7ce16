"""A run's parameters, as a stage is given them by either engine."""

from __future__ import annotations

from typing import Any

from voicemill.core import untrusted
from voicemill.core.json_values import is_list


def of_run(text: str) -> dict[str, str]:
    """`{{workflow.parameters}}` as a map.

    Args:
        text: JSON: an object, or Argo's list of names and values; empty for none.

    Raises:
        InputError: It is something else.
    """
    if not text:
        return {}
    name = "the run's parameters"
    given = untrusted.parse_json(text, name, object)
    if is_list(given):
        rows = untrusted.shaped(list[dict[str, Any]], given, name)
        return {untrusted.member(row, "name", str, name): row.get("value", "") for row in rows}
    return untrusted.shaped(dict[str, Any], given, name)
