"""Where reading a user's file ends and our own work begins: what goes wrong on this side is that file's fault."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from voicemill.core.errors import InputError, VoicemillError, full_disk
from voicemill.core.logs import get_logger

log = get_logger(__name__)

# Errors of the process or the machine that any file would have met.
_NOT_OF_THE_FILE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_LONGEST_REASON = 200


@contextmanager
def as_input_error(name: str) -> Iterator[None]:
    """Turn any failure to read one item into an `InputError` that names it, so that it costs that item alone.

    Wrap only the reading itself. Decoders report damaged files by exceptions of any type (UnicodeDecodeError for a tag,
    AttributeError for an unknown codec, MemoryError for a header that claims a petabyte), but the same types raised
    by later processing are bugs and must not be hidden.

    Args:
        name: The item, for the message.

    Raises:
        InputError: Reading failed.
        NoSpace: A full disk is behind the failure.
        ModuleNotFoundError: A package is not installed that reads it.
    """
    try:
        yield
    except (VoicemillError, ModuleNotFoundError):
        # A package that is not installed is not the file's fault.
        raise
    except PermissionError as error:
        raise InputError(f"{name} cannot be read: permission denied; make it readable for this user") from error
    except MemoryError as error:
        raise InputError(f"{name} cannot be read: it does not fit into memory, or its header is damaged") from error
    except Exception as error:
        if full := full_disk(error):
            raise full from error
        if isinstance(error, OSError) and error.errno in _NOT_OF_THE_FILE:
            raise
        if not isinstance(error, (OSError, ValueError)):
            log.debug("while %s was read:", name, exc_info=error)
        raise InputError(f"{name} cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())[:_LONGEST_REASON]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
