"""transcripts.json, which transcribe and apply-review write: a row a clip, read as what others may have edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voicemill.audio.clip_names import check_clip
from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError

NAME = "transcripts.json"
_HINT = "transcribe again"
_KINDS: dict[str, tuple[type, ...]] = {"clip": (str,), "seconds": (int, float), "language": (str,), "text": (str,)}


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a folder's transcripts.json.

    Returns:
        Each with `clip` (a plain file name), `seconds`, `language` and `text`, and what else it holds.

    Raises:
        InputError: The file is not there or is not what transcribe writes; names the row.
    """
    path = folder / NAME
    rows = untrusted.read_json(path, list, hint=_HINT)
    for number, row in enumerate(rows, start=1):
        where = f"{display(path)} cannot be used: row {number}"
        if not isinstance(row, dict):
            raise InputError(f"{where} is not an object; {_HINT}")
        for name, kinds in _KINDS.items():
            if not isinstance(row.get(name), kinds) or isinstance(row[name], bool):
                raise InputError(f"{where} lacks {name}, or it has the wrong type; {_HINT}")
        check_clip(row["clip"], where)
    return rows
