"""Reuse across runs on a cluster: what an earlier run made from the same is taken over, not computed again.

A stage that asks for a GPU, and whose work is all in its outputs, looks into the bucket before it begins. The key of
its task is a digest of its code, its options, the contents of its inputs and of the places that its options name. A
record under that key says what the outputs were (names, sizes, SHA-256) and which runs have them:

    tasks/voices/anna/<namespace>/<stage>/<key>.json        for runs at voices/anna/<run>

The record is written before Argo stores the outputs, and what it names may be deleted with its run. So a record is a
hint: each file that is taken over is compared with its digest, and if anything is missing or different the stage
computes as if there were no record. Records are kept by speaker and namespace, so that nothing of one speaker's is
taken for another's, and revoking a speaker finds them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from voicemill import storage
from voicemill.contract.code import code_version
from voicemill.contract.declaration import CONFIG, ArtifactField, Declaration, ParameterField
from voicemill.contract.ledger import Ledger, as_json
from voicemill.contract.progress import check_stop
from voicemill.contract.template import KEYS, NAMESPACE, REUSE_MODE, key_of
from voicemill.core import files, untrusted
from voicemill.core.digests import content_digest, file_digest, listing_digest
from voicemill.core.errors import InputError, Interrupted, TryAgain, Unavailable, UsageError
from voicemill.core.folders import walk
from voicemill.core.logs import get_logger
from voicemill.core.safe_paths import safe_join
from voicemill.core.text_or_path import path_in
from voicemill.storage import Store

log = get_logger(__name__)

TASKS = "tasks"
"""Prefix of the records in the bucket."""
MODES = ("auto", "refresh", "never")
"""What a run may say: take over what there is, compute and record it anew, or have nothing to do with records."""

_FORMAT = 1
_RUNS = 3
_AT_ONCE = 8
_READ_WHOLE_BYTES = 8 * 2**20
_SAMPLES, _SAMPLE_BYTES = 64, 4096


@dataclass(frozen=True)
class File:
    """A file of an output: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Origin:
    """A run that has the outputs: its name and the prefix of its artifacts' S3 keys."""

    run: str
    keys: str


@dataclass(frozen=True)
class Record:
    """What is kept of a task.

    Attributes:
        key: Digest of all that its outputs follow from.
        outputs: Output artifact -> name of a file in it -> the file; an artifact that is a file has the name "".
        origins: Runs that have these outputs, the latest first.
        entries: Its ledger.
        notes: The notes of its summary.
    """

    key: str
    outputs: dict[str, dict[str, File]]
    origins: list[Origin]
    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: dict[str, Any] = field(default_factory=dict[str, Any])


def is_possible(declaration: Declaration) -> bool:
    """Whether all that a stage does is in its outputs and follows from what a key covers.

    What writes to places by itself is not done by copying its outputs; a voice of a registry may be another tomorrow,
    or revoked.
    """
    places = (each.place for each in declaration.parameters if each.place)
    return not any(place.is_written or place.otherwise == "voice" for place in places)


def task(declaration: Declaration, values: Mapping[str, Any]) -> Task | None:
    """Return the task that a stage's pod is to do, or None where nothing is reused.

    Args:
        declaration: The stage's.
        values: Its artifacts' paths and its options by the names of its function's arguments.

    Raises:
        UsageError: for a mode that does not exist.
    """
    mode, keys = os.environ.get(REUSE_MODE, ""), os.environ.get(KEYS, "").strip("/")
    if mode and mode not in MODES:
        raise UsageError(f"reuse must be one of {', '.join(MODES)}, not {mode!r}")
    if mode in ("", "never") or not keys or not os.environ.get("S3_BUCKET"):
        return None
    try:
        key = _key(declaration, values)
    except Interrupted:
        raise
    except (InputError, TryAgain, Unavailable) as error:
        # The stage itself says better what is wrong with a place.
        log.info("nothing is reused: %s", error)
        return None
    folder, _, run = keys.rpartition("/")
    record = "/".join(filter(None, (TASKS, folder, os.environ.get(NAMESPACE, ""), declaration.name, f"{key}.json")))
    return Task(declaration, storage.open_store("s3:///"), record, key, Origin(run, keys), is_refresh=mode == "refresh")


class Task:
    """What a pod is to do, by what it follows from.

    Args:
        declaration: The stage's.
        store: The bucket of the artifacts.
        place: Key of the record.
        key: Digest of all that the outputs follow from.
        here: The run that this is.
        is_refresh: Whether it is computed whatever there is.
    """

    def __init__(
        self, declaration: Declaration, store: Store, place: str, key: str, here: Origin, *, is_refresh: bool
    ) -> None:
        self.declaration, self.store, self.place, self.key, self.here = declaration, store, place, key, here
        self.is_refresh = is_refresh

    def take(self, values: Mapping[str, Any]) -> Ledger | None:
        """Put an earlier run's outputs in place and return its ledger; None, after a line that says why, if it cannot
        be done and the stage has to run.

        Args:
            values: As in `task`.
        """
        if self.is_refresh:
            log.info("computing anew, as reuse=refresh says")
            return None
        try:
            return self._take(values)
        except Interrupted:
            raise
        except (InputError, TryAgain, Unavailable) as error:
            log.warning("nothing is reused: %s", error)
            return None

    def remember(self, values: Mapping[str, Any], ledger: Ledger) -> None:
        """Record what the stage made, for later runs; that it cannot be recorded is only a warning."""
        outputs: dict[str, dict[str, File]] = {}
        for artifact, target in self._targets(values):
            found = list(walk(target)) if target.is_dir() else None
            if found and any(each.problem for each in found):
                return
            paths = {each.name: each.path for each in found} if found is not None else {"": target}
            if target.exists():
                outputs[artifact.name] = {
                    name: File(path.stat().st_size, file_digest(path)) for name, path in paths.items()
                }
        notes: dict[str, Any] = json.loads(as_json(ledger.notes))
        entries: list[dict[str, Any]] = json.loads(as_json(ledger.entries))
        self._write(Record(self.key, outputs, [self.here], entries, notes))

    def _take(self, values: Mapping[str, Any]) -> Ledger | None:
        states = [values.get(state.field) for state in self.declaration.of_role("state")]
        if any(state and storage.is_remote(state) and storage.exists(state) for state in states):
            log.info("nothing is reused: an earlier try of this run left a state, which is gone on with")
            return None
        if self.store.find(self.place) is None:
            log.info("nothing is reused: no earlier run did this with the same inputs, options, models and code")
            return None
        record = self._read()
        for origin in record.origins:
            try:
                self._bring(record, origin, values)
            except InputError as error:
                log.warning("the outputs of the run %s are not reused: %s", origin.run, error)
                continue
            log.info("reused from the run %s: it did this with the same inputs, options, models and code", origin.run)
            others = [each for each in record.origins if each.keys != self.here.keys]
            self._write(replace(record, origins=[self.here, *others][:_RUNS]))
            return _taken_over(record, origin)
        log.warning("no run has these outputs any more: they are computed anew")
        return None

    def _read(self) -> Record:
        name = f"the record {self.place}"
        content = untrusted.parse_json(self.store.read(self.place)[0], name, dict[str, Any], nan=True)
        record = untrusted.shaped(Record, content, name)
        declared = self.declaration.of_role("output")
        required = {artifact.name for artifact in declared if not artifact.optional}
        if record.key != self.key or not required <= record.outputs.keys() <= {each.name for each in declared}:
            raise InputError(f"{name} is not of this task")
        return record

    def _bring(self, record: Record, origin: Origin, values: Mapping[str, Any]) -> None:
        """Bring the outputs from a run's artifacts, all of them whole or none.

        Raises:
            InputError: if one is missing or is not as it was.
        """
        with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as pool:
            wanted: list[tuple[str, File, Path]] = []
            for artifact, target in self._targets(values):
                if artifact.name not in record.outputs:
                    continue
                partial = stack.enter_context(files.atomic(target, is_folder=artifact.kind.is_folder))
                place = str(key_of(artifact, self.declaration.name, origin.keys))
                for name, file in record.outputs[artifact.name].items():
                    if bool(name) != artifact.kind.is_folder:
                        raise InputError(f"{artifact.name} is of another kind in the record")
                    path = safe_join(partial, name, portable=False) if name else partial
                    wanted.append((f"{place}{name}", file, path))
            self._look_for(wanted, origin)
            waiting = [pool.submit(self._download, *each) for each in wanted]
            try:
                for each in waiting:
                    each.result()
                    check_stop()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _look_for(self, wanted: list[tuple[str, File, Path]], origin: Origin) -> None:
        """See that all is there before anything is brought."""
        there = {entry.key: entry.size for entry in self.store.list(f"{origin.keys}/{self.declaration.name}/")}
        for key, file, _ in wanted:
            if key not in there:
                raise InputError(f"{key} does not exist any more")
            if there[key] != file.size:
                raise InputError(f"{key} has {there[key]} bytes, not {file.size} as it had")

    def _download(self, key: str, file: File, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.store.download(key, path)
        if file_digest(path) != file.sha256:
            raise InputError(f"{key} is not what the stage made: its content was changed")

    def _targets(self, values: Mapping[str, Any]) -> Iterator[tuple[ArtifactField, Path]]:
        for artifact in self.declaration.of_role("output"):
            if values.get(artifact.field) is not None:
                yield artifact, Path(values[artifact.field])

    def _write(self, record: Record) -> None:
        try:
            # Of two runs that end at once the last one wins; what either wrote is true.
            self.store.write(self.place, json.dumps(asdict(record), ensure_ascii=False).encode())
        except Interrupted:
            raise
        except (InputError, TryAgain, Unavailable) as error:
            log.warning("later runs cannot reuse what this stage made: %s", error)


def _taken_over(record: Record, origin: Origin) -> Ledger:
    notes = {**record.notes, "reused_from": origin.run}
    if "gpu_seconds" in notes:
        # They were spent where it was made.
        notes["reused_gpu_seconds"] = notes.pop("gpu_seconds")
    return Ledger.restored(record.entries, notes)


def _key(declaration: Declaration, values: Mapping[str, Any]) -> str:
    inputs = {each.name: values.get(each.field) for each in declaration.of_role("input")}
    # The config has had its say: its options are among the values.
    own = [each for each in declaration.parameters if declaration.takes_config or each.name != CONFIG.name]
    content = {
        "format": _FORMAT,
        "stage": declaration.name,
        "code": code_version(declaration.module),
        "inputs": {name: _tree(Path(path), file_digest) for name, path in inputs.items() if path is not None},
        "options": {each.name: _option(each, values.get(each.field, each.default)) for each in own},
    }
    return content_digest(json.dumps(content, sort_keys=True, ensure_ascii=False))


def _option(parameter: ParameterField, value: Any) -> Any:
    """Return an option's value, or a digest of what is at the place that it names."""
    place = parameter.place
    if place is None or not value:
        return value
    if place.otherwise == "text":
        path = path_in(value)
        return _at(path) if path else value
    return [_at(each.strip()) for each in value.split(",")] if place.is_list else _at(value)


def _at(location: str) -> str:
    path = None if storage.is_remote(location) else storage.fetch(location)
    return _tree(path, _sampled_digest) if path else storage.fingerprint(location)


def _tree(path: Path, digest: Any) -> str:
    if not path.is_dir():
        return digest(path)
    return listing_digest((found.name, found.problem or digest(found.path)) for found in walk(path))


def _sampled_digest(path: Path) -> str:
    """Digest of a file; of a large one, as pretrained weights are, of its size and of blocks all over it.

    A models folder on a volume is gigabytes, and each stage's pod would read all of it. No two trained weights of one
    shape have the same bytes at 64 places.
    """
    size = path.stat().st_size
    if size <= _READ_WHOLE_BYTES:
        return file_digest(path)
    parts = [str(size).encode()]
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek((size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            parts.append(file.read(_SAMPLE_BYTES))
    return content_digest(b"".join(parts))
