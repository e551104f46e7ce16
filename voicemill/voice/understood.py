"""Whether a voice is understood at all: what is said where it is not, so that nobody takes its figures for a voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HARDLY = 0.5
"""Share of wrong words from which a voice is hardly understood."""


def warning(metrics: Mapping[str, Any]) -> str:
    """Return a sentence about a voice that is hardly understood; empty for the others.

    Args:
        metrics: Its row of the evaluation: `error_rate` and, where it is known, `error_rate_interval`.
    """
    rate, interval = metrics.get("error_rate"), metrics.get("error_rate_interval")
    if not isinstance(rate, int | float) or rate < HARDLY:
        return ""
    ends = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f} %)" if interval else ""
    return (
        f"hardly understood: a recogniser hears {100 * rate:.0f} %{ends} of what it says wrong; use base weights that "
        "were trained for its language, more recordings, or more epochs"
    )
