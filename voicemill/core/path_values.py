"""Values of path parameters: a path, an s3:// address, a list of them, or plain text."""

from __future__ import annotations

from pathlib import Path

from voicemill.core.text_or_path import is_there


def path_values_of(value: str) -> list[str]:
    """Return the places that a value names: itself, or those of a list separated by commas if each of them is there."""
    parts = [part.strip() for part in value.split(",")]
    is_list = len(parts) > 1 and all(part and ("://" in part or is_there(Path(part).expanduser())) for part in parts)
    return parts if is_list and not is_there(Path(value)) else [value]
