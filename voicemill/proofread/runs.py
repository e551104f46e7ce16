"""The runs at a location, their transcripts and clips, and their reviews."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicemill.core import files
from voicemill.core.errors import InputError, VoicemillError
from voicemill.core.logs import get_logger
from voicemill.core.safe_paths import safe_join, what_is_wrong
from voicemill.dataset import clip_audio
from voicemill.dataset import transcript_rows as transcripts
from voicemill.proofread.log import Entry, Log, ObjectLog, SqliteLog
from voicemill.proofread.review import Review
from voicemill.storage import Entry as Stored
from voicemill.storage import Store, is_remote, open_store

log = get_logger(__name__)

TRANSCRIPTS = "transcribe/transcripts"
CLIPS = "slice/clips"
REVIEW = "review"
_FILES = ("transcripts.json", "transcripts.list")
_CACHE_BYTES = 512 * 2**20
# A file that is being sent must not go.
_KEPT_AT_LEAST = 16
_SECONDS_BETWEEN_LOOKS = 5.0


@dataclass(frozen=True)
class Place:
    """Where a run is.

    Attributes:
        group: First part of its address in the page: the speaker's folder in a bucket, "-" on a laptop.
        name: Second part: the run's name.
        location: Its folder or `s3://` address.
    """

    group: str
    name: str
    location: str

    def store(self) -> Store:
        return open_store(self.location)


def find(location: str) -> Iterator[Place]:
    """Runs that were transcribed: the one at a location, else those in its folders, else in the folders of those.

    Args:
        location: A run, or a folder or `s3://bucket/voices` of runs.
    """
    location = _absolute(location)
    if alone := _alone(location):
        yield alone
        return
    for folder in open_store(location).folders():
        try:
            if found := find_one(location, "-", folder):
                yield found
                continue
            for name in open_store(f"{location}/{folder}").folders():
                if found := find_one(location, folder, name):
                    yield found
        except OSError as error:
            # One folder that may not be read hides no others.
            log.warning("%s/%s cannot be searched for runs: %s", location, folder, error)


def find_one(location: str, group: str, name: str) -> Place | None:
    """Return the run with an address at a location; None if there is none, or the address is none."""
    location = _absolute(location)
    alone = _alone(location)
    if alone is not None:
        return alone if (alone.group, alone.name) == (group, name) else None
    # They come from outside: nothing but the name of one folder each.
    if any("/" in part or what_is_wrong(part) for part in (group, name)):
        return None
    inner = f"{location}/{name}" if group == "-" else f"{location}/{group}/{name}"
    return Place(group, name, inner) if _has_transcripts(open_store(inner)) else None


def _absolute(location: str) -> str:
    return location.rstrip("/") if is_remote(location) else str(Path(location).expanduser().absolute())


def _alone(location: str) -> Place | None:
    """Return the run that a location itself is."""
    if not _has_transcripts(open_store(location)):
        return None
    group, name = ["-", *location.removeprefix("s3://").split("/")][-2:]
    return Place(group if is_remote(location) else "-", name, location)


def _has_transcripts(store: Store) -> bool:
    return store.find(f"{TRANSCRIPTS}/{_FILES[0]}") is not None


class Run:
    """A run with its review, opened.

    Attributes:
        place: Where it is.
        speaker: Whose voice: the group where there is one, else as the transcripts say.
        digest: What the review is of.
        review: The review.
    """

    def __init__(self, place: Place, cache: Path) -> None:
        self.place = place
        self._store = place.store()
        self._cache = cache
        self._files: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()
        self._tags = self._current_tags()
        self._looked = time.monotonic()
        folder = self._transcripts()
        self.speaker = place.group if place.group != "-" else transcripts.speaker_of(folder)
        self.digest = transcripts.digest_of(folder)
        base = transcripts.read_rows(folder)
        self._names = [row.clip for row in base]
        self._log = self._open_log(self.digest[:16])
        self.review = Review(base, self._log)
        if self.review.number == 0:
            self._carry_over()

    @property
    def is_remote(self) -> bool:
        return is_remote(self.place.location)

    def is_current(self) -> bool:
        """Return whether the transcripts are still those that were opened; looked up every few seconds."""
        if time.monotonic() - self._looked < _SECONDS_BETWEEN_LOOKS:
            return True
        self._looked = time.monotonic()
        return self._current_tags() == self._tags

    def audio(self, clip: str) -> Path:
        """Return a WAV file of a clip of the review.

        Raises:
            InputError: The clip does not exist.
        """
        if clip in self.review.base:
            return self._clip(clip)
        if clip not in self.review.rows:
            raise InputError(f"the clip {clip} does not exist")
        target = self._cache / "cut" / clip
        if not target.exists():
            clip_audio.write(target, clip_audio.pcm(clip, self._names, self._clip))
        self._remember(target)
        return target

    def write(self, name: str, text: str) -> str:
        """Write a file of the review and return where it is."""
        key = f"{REVIEW}/{name}"
        if self.is_remote:
            self._store.write(key, text.encode())
        else:
            files.write_text(Path(self.place.location) / key, text)
        return f"{self.place.location}/{key}"

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def _open_log(self, name: str) -> Log:
        if self.is_remote:
            return ObjectLog(self._store, f"{REVIEW}/{name}/log")
        return SqliteLog(Path(self.place.location) / REVIEW / f"{name}.db")

    def _carry_over(self) -> None:
        """Take over the latest review of earlier transcripts."""
        if self.is_remote:
            names = list(self._store.folders(f"{REVIEW}/"))
        else:
            names = [path.stem for path in (Path(self.place.location) / REVIEW).glob("*.db")]
        latest: list[Entry] = []
        for name in names:
            if name != self.digest[:16]:
                log = self._open_log(name)
                entries = list(log.after(0))
                log.close()
                if entries and (not latest or entries[-1].time > latest[-1].time):
                    latest = entries
        self.review.carry_over(latest)

    def _current_tags(self) -> list[Stored | None]:
        return [self._store.find(f"{TRANSCRIPTS}/{name}") for name in _FILES]

    def _transcripts(self) -> Path:
        if not self.is_remote:
            return Path(self.place.location) / TRANSCRIPTS
        folder = self._cache / "transcripts"
        for name in _FILES:
            self._store.download(f"{TRANSCRIPTS}/{name}", folder / name)
        return folder

    def _clip(self, clip: str) -> Path:
        if not self.is_remote:
            path = safe_join(Path(self.place.location) / CLIPS, clip, portable=False)
            if not path.is_file():
                raise InputError(f"{path} is not there")
            return path
        path = self._cache / "clips" / clip
        if not path.exists():
            self._store.download(f"{CLIPS}/{clip}", path)
        self._remember(path)
        return path

    def _remember(self, path: Path) -> None:
        """Keep the files that were asked for last, up to a size."""
        with self._lock:
            self._files[path] = path.stat().st_size
            self._files.move_to_end(path)
            while sum(self._files.values()) > _CACHE_BYTES and len(self._files) > _KEPT_AT_LEAST:
                oldest, _ = self._files.popitem(last=False)
                oldest.unlink(missing_ok=True)


class Runs:
    """The runs at a location, opened as they are asked for."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._cache = tempfile.TemporaryDirectory(prefix="voicemill-proofread-")
        self._open: dict[tuple[str, str], Run] = {}
        self._places: list[Place] = []
        self._listed = float("-inf")
        self._lock = threading.Lock()

    def places(self) -> list[Place]:
        """Return all runs that can be reviewed; looked up every few seconds."""
        if time.monotonic() - self._listed > _SECONDS_BETWEEN_LOOKS:
            self._places = list(find(self.location))
            self._listed = time.monotonic()
        return self._places

    def get(self, group: str, name: str) -> Run:
        """Return a run by its address; where its transcripts were recreated since it was opened, it is opened again.

        Raises:
            InputError: There is none.
        """
        with self._lock:
            run = self._open.get((group, name))
            if run is not None and run.is_current():
                return run
            place = find_one(self.location, group, name)
            if place is None:
                raise InputError(f"the transcribed run {group}/{name} does not exist")
            cache = Path(tempfile.mkdtemp(dir=self._cache.name))
            try:
                opened = Run(place, cache)
            except (VoicemillError, OSError) as error:
                shutil.rmtree(cache)
                if isinstance(error, VoicemillError):
                    raise
                raise InputError(f"{place.location} cannot be read: {error}") from error
            self._open[group, name] = opened
            return opened

    def close(self) -> None:
        """Close every review and forget what was downloaded."""
        for run in self._open.values():
            run.close()
        self._cache.cleanup()
