"""GPU seconds by class, and what they cost: of a run, of a voice, of a batch.

A stage that holds a GPU writes two fields into each line of its ledger, `gpu_class` and `gpu_seconds`, the seconds of
all its tries that are known; one that took over what an earlier run made also `reused_gpu_seconds`, what that had taken
there. The prices of an hour come from the environment, into which the chart puts its values `gpu.prices` and
`gpu.currency`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import UsageError

CLASSES = {"6Gi": "training", "4Gi": "inference"}
"""Least GPU memory that a stage asks for -> its class, in the chart's words."""
PRICES = "VOICEMILL_GPU_PRICES"
"""Environment variable: price of a GPU hour by class, as a JSON object."""
CURRENCY = "VOICEMILL_CURRENCY"
"""Environment variable: what the prices are in, such as `EUR`."""


@dataclass(frozen=True)
class Prices:
    """What an hour of a GPU costs.

    Attributes:
        hour: By class; a class without a price costs nothing.
        currency: What they are in; may be empty.
    """

    hour: Mapping[str, float] = field(default_factory=dict[str, float])
    currency: str = ""

    def __bool__(self) -> bool:
        return any(self.hour.values())

    def cost(self, seconds: Mapping[str, float]) -> float:
        """Return what these seconds, by class, cost."""
        return sum(each / 3600 * self.hour.get(name, 0.0) for name, each in seconds.items())


def prices() -> Prices:
    """Return the prices of the environment; none without them.

    Raises:
        UsageError: if they are not numbers by class.
    """
    text = os.environ.get(PRICES, "")
    try:
        found = untrusted.json_value(text, dict[str, Any]) if text else {}
        hour = {name: float(price) for name, price in found.items()}
    except (untrusted.Unreadable, TypeError, ValueError) as error:
        raise UsageError(f'{PRICES} must be like {{"training": 1.2, "inference": 0.6}}, not {text!r}') from error
    if any(price < 0 for price in hour.values()) or not hour.keys() <= {*CLASSES.values()}:
        raise UsageError(f"{PRICES} must have prices of at least 0 for {', '.join(CLASSES.values())}, not {text!r}")
    return Prices(hour, os.environ.get(CURRENCY, ""))


@dataclass(frozen=True)
class Use:
    """GPU seconds by class.

    Attributes:
        spent: In this run.
        made: What it took to make what came out of it: of what was taken over, in the run that had made it.
    """

    spent: dict[str, float] = field(default_factory=dict[str, float])
    made: dict[str, float] = field(default_factory=dict[str, float])


def of_ledgers(ledgers: Path | None) -> Use:
    """Return the GPU seconds of a run.

    Args:
        ledgers: A folder with ledgers (`*.jsonl`, one a task or all in one), or one such file.
    """
    files = sorted(ledgers.rglob("*.jsonl")) if ledgers and ledgers.is_dir() else [ledgers] if ledgers else []
    tasks: dict[tuple[Path, Any], Mapping[str, Any]] = {}
    for file in files:
        if file.is_file():
            # Every line says the same of its task.
            tasks |= {(file, row.get("stage")): row for _, row in untrusted.read_json_lines(file, nan=True)}
    use = Use()
    for row in tasks.values():
        name, seconds = row.get("gpu_class"), row.get("gpu_seconds", 0.0)
        if isinstance(name, str) and isinstance(seconds, int | float):
            reused = row.get("reused_gpu_seconds")
            use.spent[name] = use.spent.get(name, 0.0) + seconds
            use.made[name] = use.made.get(name, 0.0) + (reused if isinstance(reused, int | float) else seconds)
    return use
