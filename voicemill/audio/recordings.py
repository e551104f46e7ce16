"""Recordings in a stage's folder: their names, the manifest that ingest writes, and cleaned over uncleaned ones."""

import json
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from voicemill import storage
from voicemill.core import untrusted
from voicemill.core.digests import file_digest
from voicemill.core.display import display, path_text
from voicemill.core.errors import InputError
from voicemill.core.safe_paths import what_is_wrong
from voicemill.core.text_or_path import path_in

MANIFEST = "recordings.jsonl"
CONSENT = "consent.json"
LONGEST_SLUG = 40
_HINT = "run ingest again"


@dataclass(frozen=True)
class Recording:
    """One line of recordings.jsonl.

    Attributes:
        name: Name of the recording in all stages; `<name>.wav` is its file.
        source: Path of the original, relative to the source.
        sha256: Of the original file.
        rate: Sampling rate in Hz.
        channels: 1 or 2.
        seconds: Length.
        notes: What was odd about the file and how it was fixed.
    """

    name: str
    source: str
    sha256: str
    rate: int
    channels: int
    seconds: float
    notes: tuple[str, ...] = ()


def name_for(source: str | os.PathLike[str], sha256: str) -> str:
    """Return a file name for a recording that is safe anywhere and the same only for the same stem and content.

    Letters and digits of any script stay; everything else becomes "_". The eight digits of the hash keep files of one
    name in two folders apart.

    Args:
        source: Path of the original.
        sha256: Of its content, in hex.
    """
    text = unicodedata.normalize("NFC", path_text(Path(source).stem))
    slug = re.sub(r"[^\w-]+", "_", text).strip("_-")[:LONGEST_SLUG].strip("_-")
    return f"{slug or 'recording'}-{sha256[:8]}"


def write_manifest(folder: Path, recordings: Iterable[Recording]) -> None:
    """Write recordings.jsonl."""
    lines = (json.dumps(asdict(recording), ensure_ascii=False) + "\n" for recording in recordings)
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Recording]:
    """Read recordings.jsonl.

    Returns:
        Recording by name.

    Raises:
        InputError: If it is not there or not what ingest writes.
    """
    path = folder / MANIFEST
    found: dict[str, Recording] = {}
    for number, row in untrusted.read_json_lines(path, hint=_HINT):
        where = f"line {number} of {display(path)}"
        recording = untrusted.shaped(Recording, row, where, hint=_HINT)
        problem = what_is_wrong(recording.name) or ("it has folders in it" if "/" in recording.name else "")
        if problem:
            raise InputError(f"{where} names the recording {display(recording.name)}: {problem}; {_HINT}")
        found[recording.name] = recording
    return found


def consent_of(given: str) -> str:
    """Return the consent in words: as given, or the content of the file that is named (of a scan, its name and digest).

    Args:
        given: Words, or the path or s3:// address of a file.

    Raises:
        UsageError: It looks like a path and no file is there.
    """
    place = path_in(given)
    if place is None:
        return given
    file = storage.fetch(place)
    try:
        return file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        return f"on record in {file.name}, SHA-256 {file_digest(file)}"


def write_consent(folder: Path, statement: str) -> None:
    """Write consent.json: what the speaker agreed to, in the user's words, or null where nothing was said."""
    text = json.dumps({"statement": statement or None}, ensure_ascii=False, indent=2)
    (folder / CONSENT).write_text(text + "\n", encoding="utf-8")


def overlay(*folders: Path | None) -> dict[str, Path]:
    """Return the newest state of each recording: a later folder's file stands in front of an earlier one's.

    Args:
        *folders: Folders of `<recording>.wav`, least cleaned first; None where a stage was skipped.

    Returns:
        Path by recording name, sorted by name.
    """
    newest = {path.stem: path for folder in folders if folder for path in folder.glob("*.wav")}
    return dict(sorted(newest.items()))
