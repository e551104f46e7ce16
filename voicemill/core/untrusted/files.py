"""Bytes and text of a file, bounded."""

from __future__ import annotations

from pathlib import Path

from voicemill.core.display import display
from voicemill.core.errors import InputError

MOST_BYTES = 256 * 2**20
"""A document of a job: transcripts of a thousand hours are about 100 MB."""


class Unreadable(ValueError):
    """What is wrong with a document, without its name; readers make an `InputError` of it."""


def refused(name: object, problem: object, hint: str = "") -> InputError:
    """Return the error for a document that cannot be used.

    Args:
        name: The document's path or key.
        problem: What is wrong with it.
        hint: What the user may do about it, such as "publish the voice again".
    """
    return InputError(f"{display(name, 300)} cannot be used: {display(problem, 400)}{f'; {hint}' if hint else ''}")


def read_bytes(path: Path, *, hint: str = "", most_bytes: int = MOST_BYTES) -> bytes:
    """Return a file's content.

    Raises:
        InputError: If it is not a regular file (a pipe or device would block), is missing, unreadable, or larger
            than `most_bytes`.
    """
    try:
        if not path.is_file():
            raise refused(path, "it is not a regular file" if path.exists() else "it does not exist", hint)
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise refused(path, error.strerror or error, hint) from error
    if len(data) > most_bytes:
        raise refused(path, f"it has more than {most_bytes} bytes", hint)
    return data


def read_text(path: Path, *, hint: str = "", most_bytes: int = MOST_BYTES) -> str:
    """Return a file's content as UTF-8; a byte order mark is left out.

    Raises:
        InputError: As `read_bytes`, or if it is not UTF-8.
    """
    data = read_bytes(path, hint=hint, most_bytes=most_bytes)
    try:
        return decoded(data)
    except Unreadable as error:
        raise refused(path, error, hint) from error


def decoded(data: bytes | str) -> str:
    """UTF-8, with or without a byte order mark, as text.

    Raises:
        Unreadable: If it is not UTF-8.
    """
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"it is not UTF-8 (line {line}, byte {error.start}); save it as UTF-8") from error
