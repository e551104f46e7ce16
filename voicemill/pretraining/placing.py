"""Put a models folder that was made on this machine to where stages find it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from voicemill import storage
from voicemill.models import record


def put(folder: Path, destination: str) -> None:
    """Copy every file, and last the record that says which there are.

    Args:
        folder: Laid out as GPT-SoVITS's pretrained_models.
        destination: Folder or s3:// address; files of the same names are replaced.
    """
    store = storage.open_store(destination)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != record.NAME)
    entries = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        path.chmod(0o644)
        # As toys are: made here, so that no catalogue knows them, and verified by this record alone.
        entries[name] = asdict(record.describe(path, name.split("/")[0], record.TOY))
        store.upload(path, name)
    store.write(record.NAME, (json.dumps(entries, indent=1) + "\n").encode())
