"""Parameters that hold either a text or the path of a file with it, such as the lines to speak: the one rule for both.

A value is a path where

- it is an s3:// address, or
- it is one line and a file of that name is there, or
- it looks like a path: one line that begins with `/`, `./`, `../` or `~/`, or one word (no spaces) that has a slash and
  no full stop, question or exclamation mark at its end, or one word that ends like the name of a text file (`.txt`).

What looks like a path and is not there is a mistake of the user's and is refused. Everything else is the text itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from voicemill.core.display import display
from voicemill.core.errors import UsageError

_SUFFIXES = "txt|text|md|csv|tsv|json|jsonl|yaml|yml|list|lst|srt|vtt|docx?|pdf|rtf|html?"
_ROOTED = re.compile(r"(?:/|\./|\.\./|~/)\S.*")
_NESTED = re.compile(r"[^\s/]*/(?:\S*[^\s.!?。！？…])?")
_FILE_NAME = re.compile(rf"\S+\.(?:{_SUFFIXES})", re.IGNORECASE)


def looks_like_a_path(value: str) -> bool:
    """Return whether a text is written as the path or address of a file, whether or not one is there."""
    return any(pattern.fullmatch(value) for pattern in (_ROOTED, _NESTED, _FILE_NAME))


def is_address(value: str) -> bool:
    """Return whether a value is an s3:// address."""
    return value.startswith("s3://") and not re.search(r"\s", value)


def problem_of(value: str, folder: Path | None = None) -> str:
    """Return why a text or path cannot be used: it looks like a path and no file is there; empty if it can.

    Args:
        value: The text or path.
        folder: Folder that a relative path starts from; the current one by default.
    """
    if is_address(value) or not looks_like_a_path(value):
        return ""
    path = resolved(value, folder)
    if is_there(path) and not path.is_dir():
        return ""
    what = "is a folder; name the file in it" if is_there(path) else "looks like a path and is not there"
    return f"{display(value)} {what} (a text that looks like this has to be given in a file)"


def path_in(value: str, folder: Path | None = None) -> str | None:
    """Return the path or s3:// address that a value is, or None if it is the text itself.

    Args:
        value: The text or path.
        folder: Folder that a relative path starts from; the current one by default.

    Raises:
        UsageError: It looks like a path and no file is there.
    """
    if problem := problem_of(value, folder):
        raise UsageError(problem)
    if is_address(value):
        return value
    path = resolved(value, folder)
    is_file = bool(value) and "\n" not in value and is_there(path) and not path.is_dir()
    return str(path) if is_file else None


def resolved(value: str, folder: Path | None = None) -> Path:
    """Return a path as a user writes it: `~` is the home folder, and relative paths start from `folder`."""
    path = Path(value)
    if value.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:  # no such user: a file may well be called so
            return path
    return folder / path if folder else path


def is_there(path: Path) -> bool:
    """Whether there is anything at a path, which may be a text that is too long or has characters no path has."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
