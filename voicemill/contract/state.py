"""A stage's state, the folder that survives kills and retries: on this machine, or kept in S3 while the stage runs.

In S3 the state is `files/<sha256>` and an `index.json` that says which of them is which file of the folder. New files
go first, the index last, what it no longer names is deleted after: whenever the sender dies, the index names a whole
state. The index names its owner too and is only replaced by the one who wrote it: the next try takes it over, so that a
pod that was given up for lost and is not cannot harm what that one works with.

A sender in the background sends the latest state at each safe point (`check_stop`) at which it has changed, so
that the GPU does not wait for S3; what is lost with a node is the work since the last state that arrived. What arrived
and has not changed since is neither copied nor read again, so that a state may grow by a file at each safe point.

Files above 64 MiB must be replaced as a whole (written beside and renamed), as checkpoints are. Smaller ones may grow.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicemill.contract.progress import at_safe_points
from voicemill.core import files as atomic_files
from voicemill.core import untrusted
from voicemill.core.errors import InputError, VoicemillError
from voicemill.core.json_values import is_object
from voicemill.core.logs import get_logger

if TYPE_CHECKING:
    from voicemill.storage import Store

log = get_logger(__name__)

INDEX = "index.json"
_FILES = "files"
_GROWS_UP_TO_BYTES = 64 * 2**20

Signature = dict[str, tuple[int, int, int]]


@contextmanager
def kept(location: str | Path, sent: Path | None = None) -> Generator[Path, None, None]:
    """The local folder of a state.

    Args:
        location: A folder, or an s3:// address, from where the state is brought at the start and to where it is sent
            at every safe point and when the stage is stopped. `s3:///KEY` is a key of the bucket `$S3_BUCKET`; where
            that is not set, the state is kept on this machine only.
        sent: Folder to make with a note, where the state is kept in S3.

    Raises:
        InputError: if S3 refuses the address.
        TryAgain: if S3 cannot be reached at the start. Later this is only a warning, and the next state is uploaded.
    """
    from voicemill.storage import is_remote, open_store

    if not is_remote(location):
        Path(location).mkdir(parents=True, exist_ok=True)
        yield Path(location)
        return
    with tempfile.TemporaryDirectory(prefix="voicemill-state-") as scratch:
        folder = Path(scratch) / "state"
        folder.mkdir()
        if str(location).startswith("s3:///") and not os.environ.get("S3_BUCKET"):
            log.warning("S3_BUCKET is not set: the state of this stage does not survive this machine or pod")
            yield folder
            return
        sender = _Sender(open_store(location), folder, Path(scratch))
        sender.bring()
        if sent:
            with atomic_files.atomic(sent, is_folder=True) as partial:
                (partial / "kept.json").write_text(json.dumps({"state": str(location)}) + "\n")
        with at_safe_points(sender.notice):
            try:
                yield folder
            except BaseException:
                sender.notice()
                sender.finish(wait_for_latest=True)
                raise
            # The work is done: its outputs are what counts, so only what is on its way is waited for.
            sender.finish(wait_for_latest=False)


@dataclass(frozen=True)
class _Snapshot:
    """A state as it was at a safe point.

    Attributes:
        folder: Copies of the files that were not sent as they are.
        signature: Of all its files.
        same: Those that arrived before and have not changed, by their digests.
    """

    folder: Path
    signature: Signature
    same: dict[str, str]


class _Sender:
    """Sends snapshots of a folder to a store, one at a time, the latest one next.

    Args:
        store: Where to.
        folder: The state.
        scratch: Where snapshots are kept, on the disk of the folder.
    """

    def __init__(self, store: Store, folder: Path, scratch: Path) -> None:
        self.store, self.folder, self.scratch = store, folder, scratch
        self._owner = uuid.uuid4().hex
        self._tag = ""  # the store's, of the index that this sender wrote
        self._known: dict[str, str] = {}  # file -> digest, as that index has it
        self._seen: Signature = {}
        self._arrived: dict[
            str, tuple[tuple[int, int, int], str]
        ] = {}  # file -> as it was, digest; replaced as a whole
        self._snapshots = 0
        self._waiting: _Snapshot | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="state", daemon=True)

    def bring(self) -> None:
        """Take the state over, as a whole, and see that the store can be written to."""
        from voicemill.core.safe_paths import safe_join
        from voicemill.storage import Conflict

        while not self._tag:
            tag = None
            if self.store.find(INDEX):
                data, tag = self.store.read(INDEX)
                self._known = _files_of(data)
            with suppress(Conflict):  # the one before was just sending: look again
                self._tag = self._write_index(self._known, tag)
        targets = {name: safe_join(self.folder, name) for name in self._known}
        for name, digest in self._known.items():
            self.store.download(f"{_FILES}/{digest}", targets[name])
        if self._known:
            log.info("resuming from a state of %d files in S3", len(self._known))
        self._seen = _signature(self.folder)
        self._arrived = {name: (self._seen[name], digest) for name, digest in self._known.items()}
        self._thread.start()

    def notice(self) -> None:
        """Take a snapshot if the folder has changed; it takes the place of one that still waits to be sent."""
        signature = _signature(self.folder)
        if signature == self._seen:
            return
        self._seen = signature
        self._snapshots += 1
        arrived = self._arrived
        same = {name: arrived[name][1] for name in signature if name in arrived and arrived[name][0] == signature[name]}
        snapshot = _Snapshot(self.scratch / f"snapshot-{self._snapshots}", signature, same)
        snapshot.folder.mkdir()
        for name in signature.keys() - same.keys():
            _copy(self.folder / name, snapshot.folder / name)
        with self._changed:
            outdated, self._waiting = self._waiting, snapshot
            self._changed.notify_all()
        if outdated:
            shutil.rmtree(outdated.folder)

    def finish(self, *, wait_for_latest: bool) -> None:
        """End the sender.

        Args:
            wait_for_latest: Whether a snapshot that waits is sent first, or left.
        """
        with self._changed:
            self._ended = True
            if not wait_for_latest:
                self._waiting = None
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        from voicemill.storage import Conflict

        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                snapshot, self._waiting = self._waiting, None
            if snapshot is None:
                return
            try:
                self._send(snapshot)
            except Conflict:
                log.error("another attempt of this stage has taken over its state; this one stops uploading")
                return
            except (VoicemillError, OSError) as error:
                log.error("the state was not uploaded to S3, which keeps the last complete one: %s", error)
                self._seen = {}  # so that the next safe point sends it, changed or not
            shutil.rmtree(snapshot.folder)

    def _send(self, snapshot: _Snapshot) -> None:
        from voicemill.core.digests import file_digest

        files = {name: snapshot.folder / name for name in snapshot.signature.keys() - snapshot.same.keys()}
        digests = snapshot.same | {name: file_digest(path) for name, path in files.items()}
        there = set(self._known.values())
        for name, path in files.items():
            if digests[name] not in there:
                self.store.upload(path, f"{_FILES}/{digests[name]}")
        self._tag = self._write_index(digests, self._tag)
        self._known = digests
        self._arrived = {name: (snapshot.signature[name], digest) for name, digest in digests.items()}
        for digest in there - set(digests.values()):
            self.store.delete(f"{_FILES}/{digest}")

    def _write_index(self, files: dict[str, str], replaces: str | None) -> str:
        from voicemill.storage import Conflict

        data = json.dumps({"owner": self._owner, "files": files}).encode()
        try:
            return self.store.write(INDEX, data, replaces=replaces, only_if_absent=replaces is None)
        except Conflict:
            # Where the answer to a write was lost, the client wrote again, and met what it had written itself.
            there, tag = self.store.read(INDEX)
            if there != data:
                raise
            return tag


def _signature(folder: Path) -> Signature:
    """Return a folder's fingerprint: inode, size and time of each finished file."""
    found: Signature = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            about = path.stat()
            if path.is_file() and not path.name.endswith(".partial"):
                found[path.relative_to(folder).as_posix()] = (about.st_ino, about.st_size, about.st_mtime_ns)
    return found


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_size > _GROWS_UP_TO_BYTES:
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def _files_of(data: bytes) -> dict[str, str]:
    """Return the digest of each file that an index names.

    Raises:
        InputError: If it is not an index that a state wrote.
    """
    hint = "delete the state to start over"
    files = untrusted.parse_json(data, f"the state's {INDEX}", dict[str, Any], hint=hint).get("files")
    if not is_object(files) or not all(isinstance(each, str) and each.isalnum() for each in files.values()):
        raise InputError(f"the state's {INDEX} does not name its files; {hint}")
    return files
