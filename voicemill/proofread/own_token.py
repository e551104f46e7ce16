"""The token of whoever runs the page on their own machine: in a file that nobody else can read, and nowhere else."""

from __future__ import annotations

import html
import os
import re
import secrets
import stat
import webbrowser
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voicemill.core.files import replacing
from voicemill.proofread.access import SHORTEST_TOKEN

_TOKEN = re.compile(rf"[0-9A-Za-z_-]{{{SHORTEST_TOKEN},200}}")


@dataclass(frozen=True)
class OwnToken:
    """A token and the folder of its file.

    Attributes:
        token: The token.
        folder: Where the account keeps what belongs to the page.
    """

    token: str
    folder: Path

    @classmethod
    def of_this_account(cls) -> OwnToken:
        """Return the token of this account; the same each time, so that an open page outlives a restart.

        A file that does not hold a whole token, or that others may read, is replaced.

        Raises:
            OSError: The file cannot be written.
        """
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        folder = state / "voicemill"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "proofread-token"
        token = _read(path)
        if token is None:
            _write(path, secrets.token_urlsafe(32))
            token = _read(path)
            if token is None:
                raise OSError(f"{path} was written and cannot be read back")
        return cls(token, folder)

    @contextmanager
    def open_browser(self, address: str) -> Generator[None, None, None]:
        """Open an address that holds the token, while the block runs.

        The browser is given a file that leads there: everybody on the machine can read what a program is started with.
        """
        path = self.folder / f"proofread-{os.getpid()}.html"
        _write(path, f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={html.escape(address)}">\n')
        try:
            webbrowser.open(path.as_uri())
            yield
        finally:
            path.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Return the token in a file; None where it is not whole, or may have been read or written by others."""
    try:
        # Not waiting for a pipe's other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
            return None
        content = file.read(1000).decode("ascii", "replace")
    return content if _TOKEN.fullmatch(content) else None


def _write(path: Path, text: str) -> None:
    """Write a file that only this account can read, whole or not at all."""
    with replacing(path, mode=0o600) as partial:
        partial.write_text(text)
