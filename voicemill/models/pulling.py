"""Download models into a models folder: resumable, verified, each file placed whole or not at all.

What the hub knows of a file (address, size, hash) is asked through huggingface_hub, which honours HF_ENDPOINT and
HF_TOKEN. Bytes go to a partial file that outlives this process, so that the next pull goes on where this one stopped.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError, NoSpace, TryAgain
from voicemill.core.files import put_in_place
from voicemill.core.logs import get_logger
from voicemill.models import checking, record, transfer
from voicemill.models.catalogue import Model, RemoteFile

log = get_logger(__name__)

PARTIAL = ".partial"
# A mirror of GitHub's release files and raw files that keeps their paths.
GITHUB_VARIABLE = "VOICEMILL_GITHUB"
GITHUB_HOSTS = ("https://github.com/", "https://raw.githubusercontent.com/")
SPARE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Remote:
    """What a server says of a file.

    Attributes:
        url: Where to get it.
        size: Bytes, if it says.
        etag: Its name of the content, if it says.
        headers: To be sent along.
    """

    url: str
    size: int | None
    etag: str | None
    headers: dict[str, str]


def pull(folder: Path, models: list[Model], report: Callable[[str], None] = log.info) -> int:
    """Download what is not there yet.

    Args:
        folder: Models folder; made if missing.
        models: What to download.
        report: Gets one line a file.

    Returns:
        Number of files downloaded.

    Raises:
        InputError: A file does not exist at its source or is not what it should be, or the folder holds models that
            were made here.
        NoSpace: The disk is too small for what is missing.
        TryAgain: A server cannot be reached, or broke off; the next pull resumes from there.
    """
    local = sorted({entry.source for entry in record.read(folder).values() if entry.is_local})
    if local:
        raise InputError(f"{folder} holds {' and '.join(local)} models; pull public ones into a folder of their own")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        wanted = [(model, file, look_up(file)) for model in models for file in model.files]
        missing = [
            (model, file, remote) for model, file, remote in wanted if not _there(folder, model, file, remote, report)
        ]
        _check_space(folder, [(file, remote) for _, file, remote in missing])
        for model, file, remote in missing:
            _fetch(folder, model, file, remote, report)
        return len(missing)


def look_up(file: RemoteFile) -> Remote:
    """Ask the source for a file's address, size and hash.

    Raises:
        InputError, TryAgain: As `pull`.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    with _server_errors(file):
        if file.hub:
            repository, path = file.hub
            endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
            asked = hf_hub_url(repository, path, revision=file.revision, endpoint=endpoint)
            metadata = get_hf_file_metadata(asked, endpoint=endpoint)
            # The address asked, not where it was sent on to: such links run out within the hour.
            url = hf_hub_url(repository, path, revision=metadata.commit_hash, endpoint=endpoint)
            return Remote(url, metadata.size, metadata.etag, build_hf_headers())
        url = mirrored(file.url or "")
        response = get_session().head(url, headers={"Accept-Encoding": "identity"}, timeout=30)
        hf_raise_for_status(response)
        length, etag = response.headers.get("Content-Length"), response.headers.get("ETag")
        return Remote(url, int(length) if length else file.size, etag.strip('W/"') if etag else None, {})


def mirrored(url: str) -> str:
    """Return a GitHub address on the mirror that VOICEMILL_GITHUB names, if it does."""
    mirror = os.environ.get(GITHUB_VARIABLE)
    for host in GITHUB_HOSTS:
        if mirror and url.startswith(host):
            return f"{mirror.rstrip('/')}/{url.removeprefix(host)}"
    return url


def _there(folder: Path, model: Model, file: RemoteFile, remote: Remote, report: Callable[[str], None]) -> bool:
    """Return whether a file is in place and is what the source has; then it is in the record too."""
    path = folder / file.path
    if not path.is_file():
        return False
    entry = record.read(folder).get(file.path)
    unchanged = entry and entry.etag == remote.etag and entry.source == file.source
    problem = (
        checking.mismatch(path, size=entry.size, sha256=entry.sha256)
        if entry and unchanged
        else checking.mismatch(path, size=remote.size, etag=remote.etag) or checking.against_catalogue(folder, file)
    )
    if problem:
        report(f"{file.path}: replaced ({problem})")
        return False
    if not unchanged:
        record.add(folder, {file.path: record.describe(path, model.name, file.source, remote.etag)})
    report(f"{file.path}: already there")
    return True


def _fetch(folder: Path, model: Model, file: RemoteFile, remote: Remote, report: Callable[[str], None]) -> None:
    # The name holds what the content is called, so that a partial file of something else is never gone on with.
    name = content_digest(f"{file.path} {remote.etag} {remote.size}")[:16]
    partial = folder / PARTIAL / name
    done = partial.stat().st_size if partial.is_file() else 0
    begin = f"resuming at {_megabytes(done)}" if done else "downloading"
    report(f"{file.path}: {begin} of {_megabytes(remote.size)}")
    with _server_errors(file):
        transfer.fetch(remote.url, partial, remote.size, remote.headers, Path(file.path).name)
    problem = checking.mismatch(partial, size=remote.size, sha256=file.sha256, etag=remote.etag if file.hub else None)
    problem = problem or checking.against_catalogue(folder, file, partial)
    if problem:
        partial.unlink()
        raise InputError(f"{file.source} does not match the expected file ({problem}); nothing was installed")
    entry = record.describe(partial, model.name, file.source, remote.etag)
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    put_in_place(partial, target)
    record.add(folder, {file.path: entry})
    report(f"{file.path}: done, {_megabytes(entry.size)}, sha256 {entry.sha256[:12]}")


def _check_space(folder: Path, missing: list[tuple[RemoteFile, Remote]]) -> None:
    needed = sum(remote.size or 0 for _, remote in missing)
    begun = sum(path.stat().st_size for path in (folder / PARTIAL).iterdir())
    free = shutil.disk_usage(folder).free
    if missing and needed - begun + SPARE_BYTES > free:
        raise NoSpace(f"{folder}: {_megabytes(needed)} to download, but only {_megabytes(free)} free on that disk")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One pull at a time: two would append to the same partial files."""
    (folder / PARTIAL).mkdir(exist_ok=True)
    lock = folder / PARTIAL / "lock"
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TryAgain(f"another pull into {folder} is already running") from error
        yield
        if [path.name for path in (folder / PARTIAL).iterdir()] == ["lock"]:
            shutil.rmtree(folder / PARTIAL)


@contextmanager
def _server_errors(file: RemoteFile) -> Iterator[None]:
    """Errors of the way to a server, in our terms."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise InputError(f"{file.source} cannot be downloaded: HF_HUB_OFFLINE is set") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (408, 425, 429) or status >= 500:
            raise TryAgain(f"{file.source}: the server is busy (HTTP {status}); try again later") from error
        raise InputError(
            f"{file.source} cannot be downloaded (HTTP {status}); if it is private or gated, set HF_TOKEN"
        ) from error
    except (httpx2.TransportError, transfer.BrokenOff) as error:
        raise TryAgain(
            f"{file.source}: the download was interrupted or the server cannot be reached ({error}); pull again to "
            f"resume (a mirror can be set by HF_ENDPOINT, or {GITHUB_VARIABLE} for GitHub's files)"
        ) from error


def _megabytes(size: int | None) -> str:
    return "unknown size" if size is None else f"{size / 1e6:.1f} MB"
