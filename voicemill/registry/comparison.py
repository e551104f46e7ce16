"""What distinguishes two versions: parameters, data, base weights, code, measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.core.json_values import is_object
from voicemill.registry.records import lineage_and_metrics
from voicemill.voice.manifest import has_consent

_SECTIONS = {"training": "parameters", "data": "data", "base": "base weights", "code": "code", "imported": "imported"}


@dataclass(frozen=True)
class Difference:
    """A fact that differs; None where a version lacks it."""

    section: str
    name: str
    before: Any
    after: Any

    @property
    def change(self) -> str:
        """By how much a number went up or down."""
        pair = (self.before, self.after)
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in pair):
            return ""
        return f"{self.after - self.before:+.4g}"


def facts(folder: Path) -> dict[tuple[str, str], Any]:
    """Return what is known of a voice folder, by section and name."""
    lineage, metrics = lineage_and_metrics(folder)
    found: dict[tuple[str, str], Any] = {}
    for part, section in _SECTIONS.items():
        found |= {(section, name): value for name, value in _flat(lineage.get(part) or {}).items()}
    best: dict[str, Any] = metrics.get("best") or {}
    found |= {("metrics", name): value for name, value in _flat(best).items() if isinstance(value, int | float)}
    found["consent", "on record"] = has_consent(lineage)
    return found


def differences(before: Mapping[tuple[str, str], Any], after: Mapping[tuple[str, str], Any]) -> list[Difference]:
    """Return the facts in which two voices differ, in the order of the sections."""
    keys = dict.fromkeys([*before, *after])
    order = {section: place for place, section in enumerate(dict.fromkeys(section for section, _ in keys))}
    found = [Difference(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    return sorted(found, key=lambda difference: order[difference.section])


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in fields.items():
        rows |= _flat(value, f"{prefix}{name}.") if is_object(value) else {prefix + name: value}
    return rows
