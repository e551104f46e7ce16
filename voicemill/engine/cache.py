"""Work avoidance: a finished task leaves `_SUCCESS.json`, written last, with the digest of all that its outputs follow
from.

That digest, the key, covers the command, the values of its parameters, the content of its input artifacts and of the
places named by its Location parameters, and the code version of the stage; never paths. A task whose key and outputs
are still there is not run again; one whose record is damaged is.

The record also says what the outputs were like. A user may edit an output by hand: the task that made it stays done,
what depends on it runs again, and the run says what was changed, as it may have been an accident.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core.errors import InputError, UsageError
from voicemill.core.files import write_text
from voicemill.core.path_values import path_values_of
from voicemill.core.text_or_path import is_there
from voicemill.core.untrusted import read_json, shaped
from voicemill.engine import fingerprints
from voicemill.engine.digests import Digests, digest_of
from voicemill.engine.fields import Json, listed, rows
from voicemill.engine.fingerprints import Fingerprint
from voicemill.engine.nodes import Node, Phase

MARKER = "_SUCCESS.json"
STATE = ".state"
LOG = "log.txt"
_STARTED = ".key"
_PHRASES = 3
CodeVersion = Callable[[str], str]
LATEST = 1e11  # seconds since 1970; what is beyond cannot be shown as a date


def key_of(
    container: Json,
    inputs: dict[str, Path],
    path_parameters: dict[str, str],
    digests: Digests,
    code_version: CodeVersion,
) -> str:
    """Return the key of a task.

    Args:
        container: Its command, arguments and environment, with names in place of the paths that differ from run to run.
        inputs: Its input artifacts that exist.
        path_parameters: Its Location parameters; a local path counts by content, anything else by name.
        digests: Content digests.
        code_version: Tells the version of a module's code.
    """
    return digest_of(
        {
            "command": _command(container),
            "source": container.get("source"),
            "env": rows(container, "env"),
            "inputs": {name: digests.tree(path) for name, path in inputs.items()},
            "locations": {name: _location(value, digests) for name, value in path_parameters.items()},
            "code": code_version(module_of(container)),
        }
    )


def module_of(container: Json) -> str:
    """Return the Python module that a container runs (`python -m MODULE`); empty if it runs something else."""
    command = _command(container)
    return command[command.index("-m") + 1] if "-m" in command[:-1] else ""


def _command(container: Json) -> list[str]:
    return [*listed(container, "command"), *listed(container, "args")]


def _location(value: str, digests: Digests) -> str:
    paths = path_values_of(value)
    digested = [digests.tree(Path(place)) if place and is_there(Path(place)) else place for place in paths]
    return ",".join(digested)


@dataclass(frozen=True)
class Expected:
    """What a task puts out, as its template says.

    Attributes:
        parameters: Names of its output parameters.
        artifacts: Places of its output artifacts by name.
        optional: Names of the artifacts that need not be there.
    """

    parameters: frozenset[str] = frozenset()
    artifacts: dict[str, Path] = field(default_factory=dict[str, Path])
    optional: frozenset[str] = frozenset()


def restore(folder: Path, node: Node, expected: Expected, digests: Digests) -> bool:
    """Fill a node from the record in its folder if it was made from the same key and its outputs exist.

    Where an output was changed, the node's message says so.
    """
    record = _read(folder / MARKER)
    if record is None or record.key != node.key or not expected.parameters <= record.parameters.keys():
        return False
    if not expected.artifacts.keys() - expected.optional <= record.outputs.keys() <= expected.artifacts.keys():
        return False
    artifacts = {name: expected.artifacts[name] for name in record.outputs}
    if any(fingerprints.is_lost(artifacts[name], taken) for name, taken in record.outputs.items()):
        return False
    changed = [
        (name, list(fingerprints.changes(artifacts[name], taken, digests))) for name, taken in record.outputs.items()
    ]
    node.parameters, node.artifacts, node.result = record.parameters, artifacts, record.result
    node.exit_code, node.cached = record.exit_code, True
    node.started, node.finished = record.started, record.finished
    node.phase = Phase.SUCCEEDED
    told = [f"{name} ({_some(phrases)})" for name, phrases in changed if phrases]
    if told:
        node.message = (
            f"not as this task left it, kept as it is: {'; '.join(told)}. "
            f"To make it again, delete {folder / MARKER} and run the same command"
        )
    return True


def _some(phrases: list[str]) -> str:
    more = len(phrases) - _PHRASES
    return ", ".join(phrases[:_PHRASES]) + (f" and {more} more" if more > 0 else "")


def begin(folder: Path, key: str) -> None:
    """Make ready a task's folder for a try: the state that an earlier try left to resume from stays.

    Outputs of earlier tries go, as a pod on a cluster starts without them; so does the log of another key. Whether a
    state of another key can be resumed from is for the stage to say: a training of more epochs begins with the same.

    Raises:
        UsageError: if what stands there was not made by a run.
    """
    same = started_key(folder) == key
    for entry in _own_entries(folder):
        if entry.name in (STATE, _STARTED) or (same and entry.name == LOG):
            continue
        _remove(entry)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / _STARTED).is_dir():
        _remove(folder / _STARTED)
    # Last, so that the folder is known as a run's own for as long as anything of an earlier try is in it.
    write_text(folder / _STARTED, key)


def started_key(folder: Path) -> str | None:
    """The key of the try that a task's folder was made ready for last; None if there is none, or it is damaged."""
    try:
        return (folder / _STARTED).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _own_entries(folder: Path) -> list[Path]:
    if not os.path.lexists(folder):
        return []
    if not folder.is_dir():
        raise UsageError(f"{folder} is in the way of the task's folder; move it away, or choose another run folder")
    entries = list(folder.iterdir())
    foreign = [entry.name for entry in entries if entry.name not in (STATE, LOG)]
    if foreign and not {_STARTED, MARKER} & set(foreign):
        raise UsageError(
            f"{folder} holds files that no run of voicemill wrote, such as {min(foreign)!r}, "
            "and a task of that name would replace them; move them away, or choose another run folder"
        )
    return entries


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def save(folder: Path, node: Node, digests: Digests) -> None:
    """Write the record of a node that succeeded."""
    record = _Record(
        key=node.key,
        task=node.name,
        parameters=node.parameters,
        result=node.result,
        exit_code=node.exit_code,
        started=node.started,
        finished=node.finished,
        outputs={name: fingerprints.take(path, digests) for name, path in node.artifacts.items()},
    )
    write_text(folder / MARKER, json.dumps(asdict(record)) + "\n")


@dataclass(frozen=True)
class _Record:
    key: str
    task: str
    parameters: dict[str, str]
    result: str | None
    exit_code: int | None
    started: float
    finished: float
    outputs: dict[str, dict[str, Fingerprint]]


def _read(path: Path) -> _Record | None:
    """Return a record; None where there is none, or it is not what `save` writes: the task then runs again."""
    try:
        record = shaped(_Record, read_json(path, dict[str, Any]), path)
    except InputError:
        return None
    return record if all(0 <= time < LATEST for time in (record.started, record.finished)) else None
