"""Joining a folder and a name that someone else wrote, without ever leaving the folder."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from voicemill.core.errors import InputError

LONGEST_PART = 255
"""Bytes of one file name; what ext4, XFS, APFS and NTFS allow."""
LONGEST_NAME = 1024
"""Bytes of a whole name; what S3 allows."""

_DRIVE = re.compile(r"[A-Za-z]:")
_LOOKS_LIKE_A_SLASH = frozenset("⁄∕∖⟋⟍⧵⧸⧹╱╲")
"""Characters that are read as a slash or backslash and have no compatibility decomposition to one."""
_SHOWN = 80


def safe_join(root: Path, name: str, *, portable: bool = True) -> Path:
    """`root / name`, for a name that came from a file, a record, a request or a bucket.

    The result lies below `root`, also after every symbolic link on the way has been followed. The check says where the
    path leads now; a folder that a stranger can write to at the same time must not be the root.

    Args:
        root: Folder that must not be left; it need not exist.
        name: Relative POSIX path, such as `clips/a.wav`.
        portable: Also refuse what means something else on another system or to a reader's eye: backslashes, drive
            letters, control characters, look-alikes of slashes and dots. Turn this off only for names that people gave
            to their own files, such as the keys of a bucket with recordings.

    Raises:
        InputError: If the name is not such a path, or leads out of `root`.
    """
    problem = what_is_wrong(name, portable=portable)
    if problem:
        raise InputError(f"the name {_quoted(name)} is refused: {problem}")
    path = root / name
    try:
        is_inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # Python 3.11 reports a loop of links as a RuntimeError
        raise InputError(f"the name {_quoted(name)} is refused: {root} cannot be searched for it ({error})") from error
    if not is_inside:
        raise InputError(f"the name {_quoted(name)} is refused: a link in {root} leads out of it")
    return path


def what_is_wrong(name: object, *, portable: bool = True) -> str:
    """Return why `safe_join` refuses a name whatever the folder is; empty if it does not.

    Args:
        name: The name as it was read; anything but a string is refused.
        portable: As in `safe_join`.
    """
    if not isinstance(name, str):
        return "it is not a text"
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        # A local name whose bytes are not UTF-8 is read with surrogate escapes; in a record it is a forgery.
        if portable:
            return "it holds half a surrogate pair"
        size = len(name.encode("utf-8", "surrogatepass"))
    if size > LONGEST_NAME:
        return f"it has {size} bytes, more than {LONGEST_NAME}"
    return _structure(name) or (_spelling(name) if portable else "")


def _structure(name: str) -> str:
    if "\0" in name:
        return "it holds a NUL character"
    if name.startswith("/"):
        return "it is absolute"
    for part in name.split("/"):
        if part == "":
            return "it has an empty part"
        if part in (".", ".."):
            return f"it has a part {part!r}"
        if len(part.encode("utf-8", "surrogatepass")) > LONGEST_PART:
            return f"one of its parts has more than {LONGEST_PART} bytes"
    return ""


def _spelling(name: str) -> str:
    if "\\" in name:
        return "it holds a backslash"
    if _DRIVE.match(name):
        return "it begins with a drive letter"
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        return "it holds a control character or line separator"
    # Fullwidth forms, dot leaders and the like: what compatibility normalization, which some file systems and
    # programs apply, would make a path of another structure.
    plain = unicodedata.normalize("NFKC", name)
    if not _LOOKS_LIKE_A_SLASH.isdisjoint(name) or "\\" in plain or plain.count("/") != name.count("/"):
        return "it holds a character that looks like a slash"
    if plain != name and (_structure(plain) or _DRIVE.match(plain)):
        return "it looks like a path that leads elsewhere"
    return ""


def _quoted(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
