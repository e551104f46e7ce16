"""Bring pretrained models to where a cluster's stages find them: a bucket or a volume, verified file by file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from voicemill import storage
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger
from voicemill.models import checking, pulling, record
from voicemill.models.catalogue import Model
from voicemill.storage import Conflict, Store

log = get_logger(__name__)

_BAD = ("missing", "corrupt")
_SMALL_BYTES = 2**20


@dataclass(frozen=True)
class InPlace:
    """A model that is where it should be: its files, their bytes, and how many of them had to be brought."""

    files: int
    bytes: int
    brought: int


class Preparation:
    """Models on their way into a folder or bucket.

    Args:
        destination: A local folder or s3:// address, laid out as GPT-SoVITS's pretrained_models.
        source: A local folder or s3:// address to take them from; empty takes them from where they are published.
        scratch: Folder for what passes through, with room for the largest model.
    """

    def __init__(self, destination: str, source: str, scratch: Path) -> None:
        self.destination, self.scratch = destination, scratch
        self.source = storage.fetch(source) if source else None
        self.store: Store = storage.open_store(destination)

    def models(self, wanted: list[Model]) -> list[Model]:
        """Of the models that are wanted, those that the source has.

        A folder of models that were made here (toys, a base) has no others, and one may hold a smaller Whisper in place
        of the large one.
        """
        if self.source is None:
            return wanted
        local = {entry.model: entry.source for entry in record.read(self.source).values() if entry.is_local}
        if not local:
            return checking.in_place(self.source, wanted)
        return [Model(name, source, "", (), (), True) for name, source in local.items()]

    def bring(self, model: Model) -> InPlace:
        """Put a model into place and verify it, unless it is there.

        Raises:
            InputError: A file is missing or not what it should be.
            NoSpace, TryAgain: As `voicemill.models.pulling.pull`.
        """
        entries, brought = self._in_place(model), 0
        if entries is None and self.source is None and not self.is_bucket:
            brought = pulling.pull(Path(self.destination), [model])
            entries = self._verified(Path(self.destination), model)
        elif entries is None:
            if self.source is None:
                pulling.pull(self.scratch, [model])
            folder = self.source or self.scratch
            entries = self._verified(folder, model)
            brought = sum(self.store.upload(folder / path, path) for path in entries)
            self._record(entries)
            self._make_room()
        return InPlace(len(entries), sum(entry.size for entry in entries.values()), brought)

    @property
    def is_bucket(self) -> bool:
        return storage.is_remote(self.destination)

    def _make_room(self) -> None:
        """Delete what has passed through; the small files stay: by some of them others are verified."""
        for path in self.scratch.rglob("*"):
            if path.is_file() and path.stat().st_size > _SMALL_BYTES:
                path.unlink()

    def _in_place(self, model: Model) -> dict[str, record.Entry] | None:
        """Return a model's files where the bucket has them all, by its record and their sizes."""
        if not self.is_bucket or self.source is not None:
            return None
        recorded = self._recorded()[0]
        entries = {file.path: recorded.get(file.path) for file in model.files}
        for path, entry in entries.items():
            found = self.store.find(path) if entry and entry.model == model.name else None
            if entry is None or found is None or found.size != entry.size:
                return None
        return {path: entry for path, entry in entries.items() if entry}

    @staticmethod
    def _verified(folder: Path, model: Model) -> dict[str, record.Entry]:
        recorded = record.read(folder)
        if model.files:
            findings = checking.verify(folder, [model])
        else:
            findings = [finding for finding in checking.verify(folder, []) if finding.model.name == model.name]
        bad = [f"{each.file.path} is {each.state} {each.detail}".strip() for each in findings if each.state in _BAD]
        if bad:
            raise InputError(f"{model.title} in {folder} is incomplete: {'; '.join(bad)}")
        return {
            each.file.path: recorded.get(each.file.path)
            or record.describe(folder / each.file.path, model.name, each.file.source)
            for each in findings
        }

    def _recorded(self) -> tuple[dict[str, record.Entry], str | None]:
        if not self.store.find(record.NAME):
            return {}, None
        data, tag = self.store.read(record.NAME)
        return record.parse(data, f"{record.NAME} of the destination"), tag

    def _record(self, entries: dict[str, record.Entry]) -> None:
        """Add to the destination's record; of two that do at once, each adds its own."""
        while True:
            there, tag = self._recorded()
            everything = {**there, **entries}
            rows = {path: asdict(everything[path]) for path in sorted(everything)}
            data = (json.dumps(rows, indent=1) + "\n").encode()
            try:
                self.store.write(record.NAME, data, replaces=tag, only_if_absent=tag is None)
                return
            except Conflict:
                log.info("another preparation is also writing to %s", self.destination)
