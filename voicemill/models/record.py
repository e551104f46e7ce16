"""What a models folder remembers of the files that were put into it: size and hash of each, in one JSON file."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from voicemill.contract.outputs import write_text

NAME = ".voicemill-models.json"
TOY = "toy"


@dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
        model: Name of the model that it belongs to.
        source: Where it came from; `TOY` for toy models.
        size: Bytes.
        sha256: Hash of the content.
        etag: What the source called this content, if it did.
    """

    model: str
    source: str
    size: int
    sha256: str
    etag: str | None = None


def read(folder: Path) -> dict[str, Entry]:
    """The entries by path below the folder; empty where nothing was recorded."""
    path = folder / NAME
    if not path.is_file():
        return {}
    return {name: Entry(**fields) for name, fields in json.loads(path.read_text(encoding="utf-8")).items()}


def add(folder: Path, entries: dict[str, Entry]) -> None:
    """Add or replace entries."""
    everything = {**read(folder), **entries}
    text = json.dumps({name: asdict(everything[name]) for name in sorted(everything)}, indent=1)
    write_text(folder / NAME, text + "\n")


def describe(path: Path, model: str, source: str, etag: str | None = None) -> Entry:
    """The entry of a file as it is."""
    return Entry(model, source, path.stat().st_size, digest(path, "sha256"), etag)


def digest(path: Path, algorithm: str) -> str:
    """Hash of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
