"""Going through a folder that someone else filled: nothing is passed over, nothing is waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicemill.core.errors import UsageError, may

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class Found:
    """Something in a folder.

    Attributes:
        path: Where it is.
        name: Path relative to the folder.
        problem: Why it cannot be read, as a sentence without its subject; empty for a file that can.
        is_elsewhere: It need not be read: a link to a folder that is read under its own name.
    """

    path: Path
    name: str
    problem: str = ""
    is_elsewhere: bool = False


def special_kind(path: Path) -> str:
    """Return what a path is that no ordinary read should be tried on: a pipe, a device, a link that leads nowhere.

    Returns:
        `a named pipe` and the like; empty for a regular file, a folder, or a link to one of them.

    Raises:
        OSError: The path cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return f"a link to {os.readlink(path)}, which does not exist"
        raise
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "")


def walk(folder: Path) -> Iterator[Found]:
    """Return every file below a folder, hidden ones too, and what is there that cannot be read as one.

    A linked folder is followed, but no folder is read twice, and none that holds `folder`. Real folders come before
    linked ones, so a file has the same name wherever the links sort.

    Args:
        folder: An existing folder.
    """
    top = folder.resolve()
    outer = {_identity(parent) for parent in top.parents}
    seen = {_identity(top)}
    waiting: list[tuple[Path, str]] = [(folder, "")]
    links: list[tuple[Path, str]] = []
    while waiting or links:
        if waiting:
            place, prefix = waiting.pop()
        else:
            place, prefix = links.pop(0)
            identity, target = _identity(place), os.path.realpath(place)
            if identity in outer:
                yield Found(place, prefix, f"it is a link to {target}, which holds the folder that is read", True)
                continue
            if identity in seen:
                yield Found(place, prefix, f"it is a link to {target}, which is read already", True)
                continue
            seen.add(identity)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            yield Found(place, prefix or ".", f"the folder cannot be read: {_reason(error)}")
            continue
        inside: list[tuple[Path, str]] = []
        for entry in entries:
            path, name = place / entry.name, f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_dir(follow_symlinks=False):
                seen.add(_identity(path))
                inside.append((path, name))
            elif os.path.isdir(path):
                links.append((path, name))
            else:
                yield Found(path, name, _problem(path))
        waiting += reversed(inside)


def refuse_inside(source: Path, output: Path, what: str) -> None:
    """Refuse to write into the folder that is read: on the next run the output would be taken for recordings.

    Args:
        source: The folder or file that is read.
        output: A folder that is written to.
        what: Begins the message: what lies inside what.

    Raises:
        UsageError: `output` is `source`, or lies inside it.
    """
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{what}: what is written there would be read as recordings; name a folder outside it")


def _problem(path: Path) -> str:
    try:
        if kind := special_kind(path):
            return f"it is {kind}, not a file"
    except OSError as error:
        return f"it cannot be read: {_reason(error)}"
    return "" if may(path, os.R_OK) else "it cannot be read: permission denied"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino
