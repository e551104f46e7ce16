"""Local files on their way to S3 by their content: nothing is sent twice, and a transfer that was broken off goes on.

A file goes to `uploads/sha256/<digest>/<name>`; a folder to `uploads/sha256/<digest of its listing>/...`, where S3
copies what it has of it already. A bucket's lifecycle rule may delete all that lies below `uploads/` after some days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from voicemill.core.digests import file_digest, listing_digest
from voicemill.core.errors import InputError
from voicemill.storage.s3 import S3Store

PREFIX = "uploads/sha256"


class Bar(Protocol):
    """Is told how many bytes a transfer will have, and of each that need not or has been sent."""

    def begin(self, name: str, size: int) -> None: ...

    def advance(self, count: int) -> None: ...


@dataclass(frozen=True)
class Uploaded:
    """What became of a local path.

    Attributes:
        address: Its s3:// address.
        files: Number of files.
        sent: Number of those that had to be sent.
    """

    address: str
    files: int
    sent: int


def upload(path: Path, bucket: str, bar: Bar, begin: Callable[[list[str]], None] = lambda digests: None) -> Uploaded:
    """Bring a file or folder to a bucket.

    Args:
        path: The file, or the folder with all below it but hidden files.
        bucket: The bucket.
        bar: Shows the progress.
        begin: Told, before anything is sent, the digests under which it will be found.

    Raises:
        InputError: The folder is empty, or S3 refuses.
        TryAgain: S3 cannot be reached; what was sent counts at the next try.
    """
    store = S3Store(bucket, PREFIX)
    if path.is_file():
        bar.begin(path.name, path.stat().st_size)
        digest = file_digest(path)
        begin([digest])
        sent = _send(store, path, digest, bar)
        return Uploaded(f"s3://{bucket}/{PREFIX}/{digest}/{path.name}", 1, int(sent))
    files = {file.relative_to(path).as_posix(): file for file in sorted(_visible(path))}
    if not files:
        raise InputError(f"{path} holds no files")
    bar.begin(path.name, sum(file.stat().st_size for file in files.values()))
    digests = {name: file_digest(file) for name, file in files.items()}
    tree = listing_digest(digests.items())
    begin([tree, *digests.values()])
    sent = 0
    for name, file in files.items():
        size = file.stat().st_size
        if store.holds(f"{tree}/{name}", digests[name], size):
            bar.advance(size)
            continue
        sent += _send(store, file, digests[name], bar)
        store.copy(f"{digests[name]}/{file.name}", f"{tree}/{name}")
    return Uploaded(f"s3://{bucket}/{PREFIX}/{tree}", len(files), sent)


def _send(store: S3Store, path: Path, digest: str, bar: Bar) -> bool:
    sent = store.upload(path, f"{digest}/{path.name}", bar.advance)
    if not sent:
        bar.advance(path.stat().st_size)
    return sent


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


@contextmanager
def shown() -> Iterator[Bar]:
    """A bar on the terminal; elsewhere a line for each transfer."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        yield _Shown(progress)


class _Shown:
    def __init__(self, progress: object) -> None:
        from rich.progress import Progress

        assert isinstance(progress, Progress)
        self._progress = progress
        self._task = None

    def begin(self, name: str, size: int) -> None:
        self._task = self._progress.add_task(f"uploading {name}", total=size)

    def advance(self, count: int) -> None:
        assert self._task is not None, "begin comes first"
        self._progress.update(self._task, advance=count)
