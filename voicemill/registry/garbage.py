"""What interrupted publications and deletions leave in the registry."""

from __future__ import annotations

import time
from collections import defaultdict

from voicemill.registry import names
from voicemill.storage import Store, Trace


def find(registry: Store, *, older_than: float) -> list[Trace]:
    """Return the files of versions that have no record, and transfers that were not finished.

    Args:
        registry: Where.
        older_than: Seconds for which nothing must have come to a version, so that a publication that runs is not
            disturbed.
    """
    limit = time.time() - older_than
    places: dict[str, list[Trace]] = defaultdict(list)
    for trace in registry.traces():
        parts = trace.key.split("/")
        if trace.kind == "unfinished upload":
            places[f"{trace.key}\0{trace.version}"].append(trace)
        elif len(parts) > 2 and names.is_version(parts[1]):
            places["/".join(parts[:2])].append(trace)
    garbage: list[Trace] = []
    for traces in places.values():
        whole = any(trace.key.endswith(f"/{names.DONE}") and trace.kind == "object" for trace in traces)
        if not whole and max(trace.modified for trace in traces) < limit:
            garbage += traces
    return garbage


def collect(registry: Store, *, older_than: float) -> list[Trace]:
    """Remove it; gives what was removed."""
    garbage = find(registry, older_than=older_than)
    registry.erase(garbage)
    return garbage
