"""Versions and their records."""

from __future__ import annotations

import math
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from voicemill.core import logs, untrusted
from voicemill.core.digests import file_digest, listing_digest
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.json_values import is_object
from voicemill.core.names import Names, normal
from voicemill.core.safe_paths import what_is_wrong
from voicemill.registry import documents, names
from voicemill.storage import Store
from voicemill.voice.manifest import has_consent, read_voice

_FORMAT = 1
_READERS = 16
_METRICS = ("error_rate", "similarity", "score")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "publish the voice again from its training"
log = logs.get_logger(__name__)


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
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    format: int = _FORMAT

    def encode(self) -> bytes:
        """Return the record as it is stored."""
        return documents.encode(asdict(self))


@dataclass(frozen=True)
class Damaged:
    """A version whose record cannot be used, and why."""

    speaker: str
    version: str
    problem: str


def version_of(folder: Path) -> PublishedVersion:
    """Return the version that a voice folder is, by the names and contents of its files; a signature is not part of it.

    Raises:
        InputError: if the folder is not a whole voice.
    """
    speaker = read_voice(folder).speaker
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / names.SIGNATURE)
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    return PublishedVersion(speaker, listing_digest(files.items())[: names.VERSION_DIGITS], files)


def check_contents(folder: Path) -> None:
    """Check that a voice folder that is to be published holds plain files under names that any machine can have.

    What the registry itself writes beside a version (`_SUCCESS.json`, `_aliases`) is not the publisher's to bring, and
    a link would publish what it leads to.

    Raises:
        InputError: if it holds anything else; names it.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        problem = what_is_wrong(name) or _problem_of_name(name)
        if not problem and path.is_symlink():
            problem = "it is a link; put the file itself there"
        if not problem and not path.is_file() and not path.is_dir():
            problem = "it is neither a file nor a folder"
        if problem:
            raise InputError(f"{display(folder)} is not published: {display(name)} is refused: {problem}")


def _problem_of_name(name: str) -> str:
    for part in unicodedata.normalize("NFKC", name).split("/"):
        if part.startswith("_"):
            return "names that begin with _ belong to the registry"
        if part.startswith("."):
            return "it is hidden; remove it"
    return ""


def describe(folder: Path, published: PublishedVersion) -> Record:
    """Return the record of a voice folder that is about to be published."""
    voice = read_voice(folder, verify=False)
    lineage, metrics = lineage_and_metrics(folder)
    best: dict[str, Any] = metrics.get("best") or {}
    about: dict[str, Any] = {
        "model": voice.version,
        "language": voice.language,
        "consent": has_consent(lineage),
        "metrics": {name: best[name] for name in _METRICS if _is_finite(best.get(name))},
    }
    return Record(published.speaker, published.version, documents.now(), documents.who(), published.files, about)


def lineage_and_metrics(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a voice folder's lineage.json and metrics.json; empty where it has none.

    Raises:
        InputError: if one of them is damaged.
    """
    paths = (folder / "lineage.json", folder / "metrics.json")
    found: list[dict[str, Any]] = [
        untrusted.read_json(path, dict[str, Any], hint=_HINT, nan=True) if path.is_file() else {} for path in paths
    ]
    lineage, metrics = found
    if not is_object(metrics.get("best") or {}):
        raise InputError(f"{display(paths[1])} cannot be used: best is not an object; {_HINT}")
    return lineage, metrics


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def versions(registry: Store, speaker: str) -> list[str]:
    """Return the versions of a speaker's voice that are whole, sorted by name."""
    return sorted(version for _, version in _found(registry, f"{names.check_speaker(speaker)}/"))


def find(registry: Store, speaker: str, version: str) -> Record | None:
    """Return a version's record, or None where the version does not exist.

    Raises:
        InputError: if the record is of a later format, damaged, or of another version than its place says.
    """
    key = names.record_key(speaker, version)
    found = documents.read(registry, key)
    if found is None:
        return None
    fields = found[0]
    if fields.get("format") != _FORMAT:
        what = f"has format {display(fields.get('format'))}; this voicemill reads {_FORMAT}"
        raise InputError(f"the record of {display(speaker)}@{display(version)} {what}")
    record = documents.shaped(Record, fields, key)
    problem = _problem(record, speaker, version)
    if problem:
        raise InputError(f"{display(key)} in the registry cannot be used: {problem}; {documents.DAMAGED}")
    return replace(record, speaker=normal(record.speaker))


def _problem(record: Record, speaker: str, version: str) -> str:
    if (normal(record.speaker), record.version) != (normal(speaker), version):
        return "it is the record of another version"
    for name, digest in record.files.items():
        problem = what_is_wrong(name) or ("it belongs to the registry" if _problem_of_name(name) else "")
        if problem:
            return f"it names the file {display(name)}: {problem}"
        if not _DIGEST.fullmatch(digest):
            return f"it has no SHA-256 digest of {display(name)}"
    about = record.about
    texts = all(isinstance(about.get(name, ""), str) for name in ("model", "language"))
    metrics = about.setdefault("metrics", {})
    if not texts or not isinstance(about.setdefault("consent", False), bool) or not is_object(metrics):
        return "its description of the voice was not written by voicemill"
    if not all(map(_is_finite, metrics.values())):
        return "its metrics are not numbers"
    return ""


def every(registry: Store, speaker: str = "") -> list[Record]:
    """All records, or a speaker's, by speaker and then in the order of publication; damaged ones are left out."""
    records, damaged = survey(registry, speaker)
    for one in damaged:
        log.warning("skipped: %s", one.problem)
    return records


def survey(registry: Store, speaker: str = "") -> tuple[list[Record], list[Damaged]]:
    """All records, or a speaker's, by speaker and then in the order of publication; and those that are damaged."""
    places = _found(registry, f"{names.check_speaker(speaker)}/" if speaker else "")

    def read(place: tuple[str, str]) -> Record | Damaged | None:
        try:
            return find(registry, *place)
        except InputError as error:
            return Damaged(*place, str(error))

    with ThreadPoolExecutor(_READERS) as readers:
        # One that was deleted since it was listed is not there.
        found = [one for one in readers.map(read, places) if one]
    records = [one for one in found if isinstance(one, Record)]
    damaged = [one for one in found if isinstance(one, Damaged)]
    return sorted(records, key=lambda record: (record.speaker, record.published)), damaged


def known_as(registry: Store, speaker: str, *others: str) -> str:
    """The name under which the registry has a speaker: as given, or the one other name that differs in case alone.

    Args:
        registry: The registry.
        speaker: As a person wrote it.
        others: Speakers who are known from elsewhere.

    Returns:
        The name as given (in NFC) where nobody is called so, or several are.
    """
    speaker = names.check_speaker(speaker)
    if speaker in others or next(iter(registry.list(f"{speaker}/")), None):
        return speaker
    there = [name for name in registry.folders() if not name.startswith("_")]
    return Names([*there, *others]).sole(speaker) or speaker


def alike(registry: Store, speaker: str) -> list[str]:
    """Return the registry's other speakers whose names differ from a name in case alone."""
    return Names(name for name in registry.folders() if not name.startswith("_")).alike(speaker)


def _found(registry: Store, prefix: str) -> list[tuple[str, str]]:
    keys = (entry.key.split("/") for entry in registry.list(prefix))
    return [(key[0], key[1]) for key in keys if len(key) == 3 and key[2] == names.DONE]
