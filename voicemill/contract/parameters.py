"""A run's parameters, as a stage is given them by either engine."""

from __future__ import annotations

import json


def of_run(text: str) -> dict[str, str]:
    """`{{workflow.parameters}}` as a map.

    Args:
        text: JSON: an object, or Argo's list of names and values; empty for none.
    """
    given = json.loads(text) if text else {}
    return {row["name"]: row.get("value", "") for row in given} if isinstance(given, list) else given
