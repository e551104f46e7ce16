"""Annotations by which a workflow tells this engine what Argo's fields cannot."""

from __future__ import annotations

from voicemill.engine.fields import Json, section

LOCATIONS = "voicemill.dev/locations"
"""On a template: parameters that name a place whose content counts, comma-separated."""

DESTINATIONS = "voicemill.dev/destinations"
"""On a template: parameters that name a place which is written to, comma-separated."""

CONFIG = "voicemill.dev/config"
"""On a template: parameters with options of several templates, of which each takes its own, comma-separated."""

STATE = "voicemill.dev/state"
"""On a template: parameters that name a folder which survives kills and retries, comma-separated."""

EXPORTS = "voicemill.dev/exports"
"""On a workflow: names of exported outputs that differ from the artifacts', `report=report.html`, comma-separated."""

INSTEAD = "voicemill.dev/instead"
"""On a workflow that only a cluster can run: the command that does on one machine what it is for."""

LINKED = "voicemill.dev/linked"
"""On a workflow: patterns of the S3 keys under which a run's folder links what tasks put out, comma-separated."""


def annotated(template: Json, annotation: str) -> list[str]:
    """Return the names that a template's annotation lists."""
    metadata = section(template, "metadata")
    annotations = {**section(template, "annotations"), **section(metadata, "annotations")}
    return [name.strip() for name in annotations.get(annotation, "").split(",") if name.strip()]
