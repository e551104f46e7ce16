"""A clip's transcript as a reviewer sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voicemill.audio.clip_names import check_clip, place_of
from voicemill.core import untrusted
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError
from voicemill.core.names import Names
from voicemill.dataset import labels, transcripts


@dataclass(frozen=True)
class Row:
    """One clip and what is said in it.

    Attributes:
        clip: File name, `<recording>_<start>_<end>.wav` in samples at 32 kHz.
        seconds: Length.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
        text: The words, on one line.
        confidence: 0 to 1, the recogniser's.
        source: What wrote the text: "label", the recogniser's name ("whisper", "sensevoice", "paraformer",
            "pocketsphinx"), and "reviewer" once a person did.
        flags: What asks for a person's eye; see `voicemill.asr.flags`.
        disagreement: Share that a second opinion heard differently, 0 to 1; None without one.
        pace: Phones a second; 0 where it is not known.
        doubt: 0 to 1: what proofreading is ordered by; see `voicemill.asr.doubt`.
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
    disagreement: float | None = None
    pace: float = 0.0
    doubt: float = 0.0
    dropped: bool = False
    checked: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any], where: str = "a row") -> Row:
        """Return the row of a JSON object; `where` names it in errors.

        Raises:
            InputError: A field is missing, unknown or of another type, or the clip is not a plain file name.
        """
        row = untrusted.shaped(cls, {name: value for name, value in fields.items() if value is not None}, where)
        check_clip(row.clip, where)
        return row

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
    clips = Names(table)
    rows = []
    for label in _list(folder):
        row = table.get(clips.sole(label.name) or "")
        if row is None:
            hint = clips.hint(label.name)
            raise InputError(f"transcripts.list names {label.name}, which transcripts.json does not contain{hint}")
        row = replace(row, language=row.language.lower())
        if (label.language, label.text) != (row.language, row.text):
            row = replace(row, language=label.language, text=label.text, source="label", checked=True)
        rows.append(row)
    return rows


def speaker_of(folder: Path) -> str:
    """Return whose transcripts they are, as the list says."""
    found = _list(folder)
    return found[0].speaker if found else ""


def digest_of(folder: Path) -> str:
    """Return what a review was of: SHA-256 of both files, in hex."""
    contents = [untrusted.read_bytes(folder / name) for name in ("transcripts.json", "transcripts.list")]
    return content_digest(b"".join(f"{len(content)}\n".encode() + content for content in contents))


def _list(folder: Path) -> list[labels.Label]:
    path = folder / "transcripts.list"
    if path.is_dir():
        raise InputError(f"{path} is a folder instead of a file of transcribe; transcribe again")
    return labels.read(path)


def _table(folder: Path) -> dict[str, Row]:
    where = f"a row of {folder / transcripts.NAME}"
    rows = ({name: each for name, each in row.items() if name in _FIELDS} for row in transcripts.read(folder))
    return {row["clip"]: Row.from_json(row, where) for row in rows}


_FIELDS = frozenset(Row.__dataclass_fields__)
