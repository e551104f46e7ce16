"""Versions and their records."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voicemill.errors import InputError
from voicemill.registry import documents, names
from voicemill.storage import Store, file_digest
from voicemill.voice import has_consent, read_voice

_FORMAT = 1
_READERS = 16
_METRICS = ("error_rate", "similarity", "score")


@dataclass(frozen=True)
class PublishedVersion:
    """What a voice folder is in a registry; `files` are SHA-256 digests by name."""

    speaker: str
    version: str
    files: dict[str, str]


@dataclass(frozen=True)
class Record:
    """What the registry knows of a version.

    Attributes:
        speaker: Whose voice it is.
        version: Digest of its files' names and contents.
        published: When it came, in UTC.
        by: Who published it.
        files: SHA-256 digests by name.
        about: Model version, language, whether there is consent, and the chosen pair's metrics.
    """

    speaker: str
    version: str
    published: str
    by: str
    files: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)
    format: int = _FORMAT

    def encode(self) -> bytes:
        """The record as it is stored."""
        return documents.encode(asdict(self))


def version_of(folder: Path) -> PublishedVersion:
    """The version that a voice folder is, by the names and contents of its files; a signature is not part of it.

    Raises:
        InputError: if the folder is not a whole voice.
    """
    speaker = read_voice(folder).speaker
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / names.SIGNATURE)
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    rows = "".join(f"{name}\0{digest}\n" for name, digest in files.items())
    return PublishedVersion(speaker, hashlib.sha256(rows.encode()).hexdigest()[: names.VERSION_DIGITS], files)


def describe(folder: Path, published: PublishedVersion) -> Record:
    """The record of a voice folder that is about to be published."""
    voice = read_voice(folder, verify=False)
    lineage, metrics = lineage_and_metrics(folder)
    best = metrics.get("best") or {}
    about = {
        "model": voice.version,
        "language": voice.language,
        "consent": has_consent(lineage),
        "metrics": {name: best[name] for name in _METRICS if name in best},
    }
    return Record(published.speaker, published.version, documents.now(), documents.who(), published.files, about)


def lineage_and_metrics(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A voice folder's lineage.json and metrics.json; empty where it has none."""
    paths = (folder / "lineage.json", folder / "metrics.json")
    lineage, metrics = (json.loads(path.read_text("utf-8")) if path.is_file() else {} for path in paths)
    return lineage, metrics


def versions(registry: Store, speaker: str) -> list[str]:
    """The versions of a speaker's voice that are whole, sorted by name."""
    return sorted(version for _, version in _found(registry, f"{names.check_speaker(speaker)}/"))


def find(registry: Store, speaker: str, version: str) -> Record | None:
    """A version's record, or None where there is no such version.

    Raises:
        InputError: if the record is of a later format.
    """
    found = documents.read(registry, names.record_key(speaker, version))
    if found is None:
        return None
    fields = found[0]
    if fields.get("format") != _FORMAT:
        raise InputError(f"the record of {version} has format {fields.get('format')}; this voicemill reads {_FORMAT}")
    return Record(**fields)


def every(registry: Store, speaker: str = "") -> list[Record]:
    """All records, or a speaker's, by speaker and then in the order of publication."""
    found = _found(registry, f"{names.check_speaker(speaker)}/" if speaker else "")
    with ThreadPoolExecutor(_READERS) as readers:
        records = list(readers.map(lambda one: find(registry, *one), found))
    # One that was deleted since it was listed is not there.
    return sorted((record for record in records if record), key=lambda record: (record.speaker, record.published))


def _found(registry: Store, prefix: str) -> list[tuple[str, str]]:
    keys = (entry.key.split("/") for entry in registry.list(prefix))
    return [(key[0], key[1]) for key in keys if len(key) == 3 and key[2] == names.DONE]
