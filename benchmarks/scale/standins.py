"""The generated clone-voice, and outputs as its stages have them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from voicemill.engine.slots import request_of
from voicemill.engine.workflow import load

Json = dict[str, Any]

RESULTS = {"dereverb": "1", "denoise": "1", "flagged": "0", "summary": "{}"}
"""Output parameters that gates read: every stage runs, nobody is asked."""


def clone_voice() -> Json:
    """Return the object as it is generated."""
    return load("clone-voice").document


def stages(document: Json) -> list[Json]:
    """Its templates with a container."""
    return [template for template in document["spec"]["templates"] if "container" in template]


def gpus_of(template: Json) -> int:
    """Return how many GPUs a stage asks for."""
    return request_of(template["container"]).gpus


def result(name: str) -> str:
    """Return a value for an output parameter."""
    return RESULTS.get(name, "0")


def spread(seconds: Sequence[float]) -> str:
    """Median, 95th percentile and largest, in milliseconds; of nothing, that."""
    if len(seconds) < 2:
        return f"not enough to say ({len(seconds)})"
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return (
        f"median {1000 * statistics.median(seconds):.1f} ms, p95 {1000 * p95:.1f} ms, most {1000 * max(seconds):.0f} ms"
        f" ({len(seconds)} times)"
    )
