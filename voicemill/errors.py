"""The errors a stage may end with, and the exit codes by which an orchestrator tells them apart.

The numbers follow sysexits.h where it has a meaning for them. 64 to 69 are the user's to mend and are never retried.
"""


class VoicemillError(Exception):
    """An error whose message is a whole sentence for the user; it is shown without a traceback."""

    exit_code = 1


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
