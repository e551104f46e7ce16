"""The errors a stage may end with, and the exit codes by which an orchestrator tells them apart.

The numbers follow sysexits.h where it has a meaning for them. 64 to 69 are the user's to mend and are never retried.
"""

import errno
import os
from collections.abc import Iterator

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
    """Data that cannot be used. The message names the file and says how to mend it."""

    exit_code = 65


class MissingModelError(InputError):
    """A pretrained model is not in the models folder."""

    exit_code = 66


class BrokenModelError(VoicemillError):
    """A pretrained model is there but cannot be used: nothing is wrong with the item it was meant for."""

    exit_code = 65


class NoSpace(VoicemillError):
    """The disk that an output goes to is full."""

    exit_code = 73


class TryAgain(VoicemillError):
    """Nothing is wrong with the data; the same command may succeed later (S3 away, preempted)."""

    exit_code = 75


class Interrupted(TryAgain):
    """The stage was asked to stop and did, at a point from which the next try resumes."""


class OutOfGpuMemory(VoicemillError):
    """The work did not fit into memory; it is retried with half the micro-batch."""

    exit_code = 77


def full_disk(error: BaseException) -> NoSpace | None:
    """What to say of an error, where a disk that is full is behind it; None where none is.

    Libraries say it in words of their own. torch.save only says that its archive is out of step, the error of the file
    being the context of its own; those of safetensors and SQLite are no OSError and have but a text.
    """
    for found in _with_origins(error):
        by_number = isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT)
        text = str(found).lower()
        if by_number or os.strerror(errno.ENOSPC).lower() in text or "disk is full" in text:
            place = getattr(found, "filename", None) or "while writing an output"
            return NoSpace(f"the disk is full ({place}); free some space and run it again")
    return None


def _with_origins(error: BaseException) -> Iterator[BaseException]:
    """An error, those that it came from, and for a group those that it holds."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _with_origins(one)
    origin = error.__cause__ or error.__context__
    if origin is not None:
        yield from _with_origins(origin)
