"""Loading transformers' models from folders: quietly, and with one sentence when a folder is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import logging as transformers_logging

from voicemill.core.errors import InputError


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no remarks on weights that are left out on purpose."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Load quietly; a folder that cannot be loaded is named.

    Raises:
        InputError: In place of what transformers raises for missing, foreign or cut-off files.
    """
    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise InputError(f"{folder} cannot be loaded: {first_line}; fetch the model again") from error
