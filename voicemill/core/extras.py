"""Packages that an extra of pyproject.toml brings: where one is missing, a sentence names the extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voicemill.core.errors import UsageError


class MissingExtra(UsageError):
    """A package is not installed that this needs."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package} is not installed: pip install 'voicemill[{extra}]'")


def missing(error: ModuleNotFoundError, extra: str) -> MissingExtra | None:
    """Return what to say of a failed import, or None where it is a module of voicemill's own: a bug.

    Args:
        error: Of the import.
        extra: That brings all that the program needs.
    """
    package = (error.name or "").partition(".")[0]
    return MissingExtra(package, extra) if package and package not in ("voicemill", "stages", "workflows") else None


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around what imports packages of an extra.

    Raises:
        MissingExtra: One of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if told := missing(error, extra):
            raise told from error
        raise
