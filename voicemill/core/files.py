"""Files and folders that appear whole or not at all.

`atomic` is for outputs: it checks the place first and removes what killed tries left. `replacing` is for the many small
files in a folder that a program owns. Nothing else in voicemill writes a file to rename it.
"""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicemill.core.errors import CannotWrite, UsageError, may

_PARTIAL = "partial"


@contextmanager
def atomic(target: Path, *, is_folder: bool) -> Iterator[Path]:
    """A temporary sibling of `target` to write to; it takes the target's place when the block ends without error.

    What stood at `target` before is replaced. Leftovers of a try that was killed are removed.

    Args:
        target: Where the output shall appear; its parents are made.
        is_folder: Whether the block gets an empty folder or the path of a file to write.

    Yields:
        The path to write to.

    Raises:
        UsageError: if `target` is a mount point, which cannot be replaced, or is a file where a folder is to be, or a
            folder where a file is to be: nothing that takes hours ends with this.
        CannotWrite: if nothing can be made beside `target`.
    """
    target = target.absolute()
    if os.path.ismount(target):
        raise UsageError(f"{target} is a mount point and cannot be replaced as a whole; name a folder inside it")
    if is_folder and os.path.lexists(target) and not target.is_dir():
        raise UsageError(f"{target} is a file where a folder is to be written; name another place")
    if not is_folder and target.is_dir():
        raise UsageError(f"{target} is a folder where a file is to be written; name another place")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not may(target.parent, os.W_OK | os.X_OK):
        raise CannotWrite(
            f"{target} cannot be written: nothing may be made in {target.parent} (permission denied, or a read-only "
            "file system); change its permissions, or name another place"
        )
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.{_PARTIAL}"):
        _remove(leftover)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.{_PARTIAL}")
    if is_folder:
        partial.mkdir()
    try:
        yield partial
        sync(partial)
        put_in_place(partial, target)
    except BaseException:
        _remove(partial)
        raise


@contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int | None = None) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it takes the path's place when the block ends without error.

    Several processes may replace the same file at the same time: the last one wins. A try that is killed leaves a
    hidden file that `is_partial` knows.

    Args:
        path: The file; its folder must be there.
        durable: Whether the content must be on the disk before the name is, so that it outlives a power cut.
        mode: Permissions of the file, which it has before anything is written to it; None goes by the umask.

    Yields:
        The path to write to; its name is short, so that the wanted one may be as long as the file system allows.
    """
    partial = path.parent / f".{uuid.uuid4().hex}.{_PARTIAL}"
    try:
        if mode is not None:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield partial
        if durable:
            sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(partial: Path, target: Path) -> None:
    """Let a whole file or folder take the place of another on the same file system, and sync the folder it is in."""
    if partial.is_dir() and target.is_dir() and any(target.iterdir()):
        # A folder with content cannot be renamed over, so the old one steps aside first.
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old.{_PARTIAL}")
        target.rename(old)
        partial.rename(target)
        _remove(old)
    else:
        partial.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_partial(path: Path) -> bool:
    """Return whether a file or folder is what `atomic` or `replacing` left when it was killed, or writes at present."""
    return path.name.startswith(".") and path.name.endswith(f".{_PARTIAL}")


def write_text(target: Path, text: str) -> None:
    """Write a small file by `atomic`."""
    with atomic(target, is_folder=False) as partial:
        partial.write_text(text, encoding="utf-8")


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it to another file system, or to one without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sync(path: Path) -> None:
    """Flush a file, or every file and folder below a folder, to the disk."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    for each in paths:
        if each.is_symlink():
            continue
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
