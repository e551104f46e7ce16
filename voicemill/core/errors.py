"""The errors a stage may end with, and the exit codes by which an orchestrator tells them apart.

The numbers follow sysexits.h where it has a meaning for them. 64 to 69 are never retried: 64 to 66 are
the user's to fix, 69 is for whoever runs the cluster or the S3 server.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from voicemill.core.display import safe_message


class VoicemillError(Exception):
    """An error whose message is a whole sentence for the user; it is shown without a traceback.

    Its text can be shown anywhere: whatever names are in it, they carry no control characters.
    """

    exit_code = 1

    def __str__(self) -> str:
        return safe_message(super().__str__())


class UsageError(VoicemillError):
    """The command line cannot be obeyed as written."""

    exit_code = 64


class InputError(VoicemillError):
    """Data that cannot be used. The message names the file and says how to fix it."""

    exit_code = 65


class MissingModelError(VoicemillError):
    """A pretrained model is not in the models folder: nothing is wrong with the item it was meant for."""

    exit_code = 66


class BrokenModelError(VoicemillError):
    """A model is there but cannot be used: nothing is wrong with the item it was meant for."""

    exit_code = 65


class Unavailable(VoicemillError):
    """A service refuses who asks, or lacks what is needed. The data is not at fault; the same is refused again until
    somebody changes a key, a right or a setting.
    """

    exit_code = 69


class CannotWrite(VoicemillError):
    """An output cannot be written where it should go: permission denied, or a read-only file system."""

    exit_code = 73


class NoSpace(CannotWrite):
    """The disk that an output goes to is full."""


class TryAgain(VoicemillError):
    """Nothing is wrong with the data; the same command may succeed later (S3 away, preempted)."""

    exit_code = 75


class BrokenGpu(TryAgain):
    """A GPU that was given does not work; another one may."""


class Interrupted(TryAgain):
    """The stage was asked to stop and did, at a point from which the next try resumes."""


class OutOfGpuMemory(VoicemillError):
    """The work did not fit into memory; it is retried with half the micro-batch."""

    exit_code = 77


Cause = Literal["data", "infrastructure", "bug"]
"""Whose turn it is when something failed: who gave the data, who runs the machines, or who wrote the programs."""
_INFRASTRUCTURE = (2, 69, 73, 75, 77, 137, 143)


def cause_of(exit_code: int) -> Cause:
    """Return whose turn it is, by the exit code of a stage that failed."""
    return "data" if 64 <= exit_code < 69 else "infrastructure" if exit_code in _INFRASTRUCTURE else "bug"


def known(error: BaseException) -> VoicemillError | None:
    """Return an error in the contract's terms: with a sentence for the user and an exit code. None for a bug.

    Everything that ends a process by an error asks here: stages, the `voicemill` command, and the engine for its nodes.

    Args:
        error: Any exception, also a group; a group is known if each of its members is.
    """
    if isinstance(error, VoicemillError):
        return error
    if full := full_disk(error):
        return full
    if isinstance(error, BaseExceptionGroup):
        members = [known(member) for member in error.exceptions]
        return members[0] if all(members) else None
    return refused_path(error)


def refused_path(error: BaseException) -> VoicemillError | None:
    """What to say where the system refuses a file or folder for its permissions or its kind; None for other errors.

    A file that is not there is not told here: where it is the user's, whoever reads it knows better what is missing.
    """
    if not isinstance(error, OSError) or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    path = Path(os.fsdecode(error.filename))
    place = ascii(str(path))[1:-1] if not str(path).isprintable() else str(path)
    match error.errno:
        case errno.EROFS:
            return CannotWrite(f"{place} cannot be written: its file system is read-only; choose another place")
        case errno.EACCES | errno.EPERM if _is_for_writing(path):
            return CannotWrite(f"{place} cannot be written: permission denied; change its permissions or the place")
        case errno.EACCES | errno.EPERM:
            return InputError(f"{place} cannot be read: permission denied; change its permissions")
        case errno.EISDIR:
            return UsageError(f"{place} is a folder where a file is needed; name a file")
        case errno.ENOTDIR | errno.EEXIST:
            return UsageError(f"{_nearest(path)} is a file where a folder is needed; name another place")
        case errno.ENAMETOOLONG:
            return UsageError(f"the name {place[:60]}... is longer than the file system allows")
        case errno.ELOOP:
            return InputError(f"{place} is a link that leads back to itself")
    return None


def _is_for_writing(path: Path) -> bool:
    """Return whether a path to which access was denied must have been about to be written: reading it is allowed."""
    there = _nearest(path)
    if there == path:
        return may(path, os.R_OK | (os.X_OK if path.is_dir() else 0))
    # It is not there, or hidden by a folder that may not be entered.
    return may(there, os.X_OK)


def may(path: Path, access: int) -> bool:
    """Whether this process may do with a path what `access` says (`os.R_OK` and its kin), as open() would decide."""
    return os.access(path, access, effective_ids=os.access in os.supports_effective_ids)


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that can be seen."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def full_disk(error: BaseException) -> NoSpace | None:
    """Return what to say of an error, where a disk that is full is behind it; None where none is.

    Libraries say it in words of their own. torch.save only says that its archive is out of step, the error of the file
    being the context of its own; those of safetensors and SQLite are not OSError and have but a text.
    """
    for found in _with_origins(error):
        by_number = isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT)
        text = str(found).lower()
        if by_number or os.strerror(errno.ENOSPC).lower() in text or "disk is full" in text:
            place = getattr(found, "filename", None) or "while writing an output"
            return NoSpace(f"the disk is full ({place}); free some space and run it again")
    return None


def _with_origins(error: BaseException) -> Iterator[BaseException]:
    """Return an error, those that it came from, and for a group those that it holds."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _with_origins(one)
    origin = error.__cause__ or error.__context__
    if origin is not None:
        yield from _with_origins(origin)
