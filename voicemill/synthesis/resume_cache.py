"""What a synthesis has spoken so far, kept in the stage's state so that a killed one goes on by line.

    state/about.json      digest of what every take depends on beside its line
    state/000012.tar      a batch: its files, and rows.jsonl with a row a file

A batch is one file that is renamed into place: it is there as a whole or not at all, and S3 gets one object a batch.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from voicemill.core import files as atomic_files
from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.core.safe_paths import safe_join

Row = dict[str, Any]

_ABOUT = "about.json"
_ROWS = "rows.jsonl"


class Takes:
    """Spoken lines by the names of their files.

    Args:
        folder: The stage's state.
        fingerprint: Digest of the voice and of how it speaks. What was spoken otherwise is thrown away.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self._rows: dict[str, Row] = {}
        self._places: dict[str, Path] = {}
        about = folder / _ABOUT
        if not _is_of(about, fingerprint):
            for path in folder.glob("*.tar"):
                path.unlink()
            atomic_files.write_text(about, json.dumps({"fingerprint": fingerprint}))
        for path in sorted(folder.glob("*.tar")):
            with tarfile.open(path) as batch:
                self._know(path, _rows(path, _content(batch, _ROWS)))

    def find(self, file: str, settings: Row) -> Row | None:
        """The row of a line that was spoken with these settings (text, language, speed, seed); None if it was not."""
        row = self._rows.get(file)
        return row if row and settings.items() <= row.items() else None

    def add(self, batch: list[tuple[Row, bytes]]) -> None:
        """Keep a batch: of each line its row, which names its `file`, and the content of that."""
        path = self.folder / f"{len(list(self.folder.glob('*.tar'))):06d}.tar"
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row, _ in batch)
        with atomic_files.atomic(path, is_folder=False) as partial, tarfile.open(partial, "w") as tar:
            for name, content in [(_ROWS, rows.encode()), *((row["file"], content) for row, content in batch)]:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self._know(path, [row for row, _ in batch])

    def export(self, files: Iterable[str], target: Path) -> None:
        """Write the files of these names into a folder."""
        wanted: dict[Path, list[str]] = {}
        for file in files:
            wanted.setdefault(self._places[file], []).append(file)
        for path, names in wanted.items():
            with tarfile.open(path) as batch:
                for name in names:
                    source = batch.extractfile(name)
                    assert source, f"{path} lists {name} but does not contain it"
                    with source, safe_join(target, name).open("wb") as sink:
                        shutil.copyfileobj(source, sink)

    def _know(self, path: Path, rows: Iterable[Row]) -> None:
        for row in rows:
            self._rows[row["file"]], self._places[row["file"]] = row, path


def _is_of(about: Path, fingerprint: str) -> bool:
    """Return whether the state belongs to this fingerprint; a damaged about.json belongs to none."""
    try:
        return about.exists() and untrusted.read_json(about, dict).get("fingerprint") == fingerprint
    except InputError:
        return False


def _rows(path: Path, content: bytes) -> Iterator[Row]:
    hint = "delete the state to speak all lines again"
    for number, row in untrusted.parse_json_lines(content, f"{_ROWS} in {path}", hint=hint, nan=True):
        untrusted.member(row, "file", str, f"line {number} of {_ROWS} in {path}", hint=hint)
        yield row


def _content(batch: tarfile.TarFile, name: str) -> bytes:
    member = batch.extractfile(name)
    assert member, f"{batch.name} has no {name}"
    return member.read()
