"""What a models folder records of the files that were put into it: origin, size and hash of each, in one JSON file."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from voicemill.core import untrusted
from voicemill.core.digests import file_digest
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.files import write_text
from voicemill.core.safe_paths import what_is_wrong

NAME = ".voicemill-models.json"
_HINT = "pull the models again into a new folder"
TOY = "toy"
"""Source of a toy model: random weights in the real formats."""
BASE = "base"
"""Source of a model that was trained here: by the pretrain workflow, or unpacked from what it made."""


@dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
        model: Name of the model that it belongs to.
        source: Where it came from: a repository and path on the hub, a URL, `TOY` or `BASE`.
        size: Bytes.
        sha256: Hash of the content.
        etag: What the source called this content, if it did.
    """

    model: str
    source: str
    size: int
    sha256: str
    etag: str | None = None

    @property
    def is_toy(self) -> bool:
        """Whether its weights mean nothing."""
        return self.source == TOY

    @property
    def is_local(self) -> bool:
        """Whether it was made here, so that no catalogue knows it and this record alone says what it should be."""
        return self.source in (TOY, BASE)


def read(folder: Path) -> dict[str, Entry]:
    """Return the entries by path below the folder; empty where nothing was recorded.

    Raises:
        InputError: If the record is damaged, or names files outside of the folder.
    """
    path = folder / NAME
    return parse(untrusted.read_bytes(path, hint=_HINT), path) if path.is_file() else {}


def parse(data: bytes, name: object) -> dict[str, Entry]:
    """Return the entries of a record that is in memory; `name` is what errors call it. Otherwise as `read`."""
    entries: dict[str, Entry] = {}
    for path, fields in untrusted.parse_json(data, name, dict, hint=_HINT).items():
        problem = what_is_wrong(path)
        if problem:
            raise InputError(f"{display(name)} cannot be used: it names the file {display(path)}: {problem}; {_HINT}")
        entries[path] = untrusted.shaped(Entry, fields, f"{display(path)} in {display(name)}", hint=_HINT)
    return entries


def source(folder: Path, place: str) -> str | None:
    """Return where a model came from.

    Args:
        folder: Models folder.
        place: The model's file or folder below it.

    Returns:
        The source that all its recorded files share (for files of one repository: their common folder), several
        sources with commas between them, or None where none of its files is recorded.
    """
    entries = read(folder).items()
    sources = sorted({entry.source for path, entry in entries if path == place or path.startswith(f"{place}/")})
    if not sources:
        return None
    parts = [each.split("/") for each in sources]
    return "/".join(os.path.commonprefix(parts)) or ", ".join(sources)  # noqa: RUF071 - of lists it compares whole parts


def add(folder: Path, entries: dict[str, Entry]) -> None:
    """Add or replace entries."""
    everything = {**read(folder), **entries}
    text = json.dumps({name: asdict(everything[name]) for name in sorted(everything)}, indent=1)
    write_text(folder / NAME, text + "\n")


def describe(path: Path, model: str, source: str, etag: str | None = None) -> Entry:
    """Return the entry of a file as it is."""
    return Entry(model, source, path.stat().st_size, file_digest(path), etag)
