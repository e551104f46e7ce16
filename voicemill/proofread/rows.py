"""A clip's transcript as a reviewer sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voicemill import labels
from voicemill.clip_names import place_of
from voicemill.errors import InputError


@dataclass(frozen=True)
class Row:
    """One clip and what is said in it.

    Attributes:
        clip: File name, `<recording>_<start>_<end>.wav` in samples at 32 kHz.
        seconds: Length.
        language: Code of `voicemill.labels.LANGUAGES`.
        text: The words, on one line.
        confidence: 0 to 1, the recogniser's.
        source: What wrote the text: "label", "whisper", "pocketsphinx", and "reviewer" once a person did.
        flags: What asks for a person's eye; see `voicemill.asr.flags`.
        dropped: Left out of training.
        checked: A person has looked at it.
    """

    clip: str
    seconds: float
    language: str
    text: str
    confidence: float = 0.0
    source: str = ""
    flags: tuple[str, ...] = ()
    dropped: bool = False
    checked: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Row:
        return cls(**{**fields, "flags": tuple(fields.get("flags") or ())})

    @property
    def place(self) -> tuple[str, int, int]:
        """Recording, first sample, end; a clip whose name does not tell counts as a recording of its own."""
        return place_of(self.clip)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """As recorded."""
    return sorted(rows, key=lambda row: row.place)


def read_rows(folder: Path) -> list[Row]:
    """What transcribe wrote. The list counts where it says otherwise than the table: it may have been edited by hand.

    Args:
        folder: With transcripts.json and transcripts.list.

    Raises:
        InputError: A file is not there or damaged.
    """
    table = _table(folder)
    rows = []
    for label in labels.read(folder / "transcripts.list"):
        row = table.get(label.name)
        if row is None:
            raise InputError(f"transcripts.list names {label.name}, which transcripts.json does not know")
        row = replace(row, language=row.language.lower())
        if (label.language, label.text) != (row.language, row.text):
            row = replace(row, language=label.language, text=label.text, source="label", checked=True)
        rows.append(row)
    return rows


def speaker_of(folder: Path) -> str:
    """Whose transcripts they are, as the list says."""
    found = labels.read(folder / "transcripts.list")
    return found[0].speaker if found else ""


def digest_of(folder: Path) -> str:
    """What a review was of: SHA-256 of both files, in hex."""
    digest = hashlib.sha256()
    for name in ("transcripts.json", "transcripts.list"):
        content = (folder / name).read_bytes()
        digest.update(f"{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _table(folder: Path) -> dict[str, Row]:
    path = folder / "transcripts.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {fields["clip"]: Row.from_json({k: v for k, v in fields.items() if k in _FIELDS}) for fields in found}
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; transcribe first") from error
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not what transcribe writes ({error})") from error


_FIELDS = frozenset(Row.__dataclass_fields__)
