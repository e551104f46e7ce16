"""Work avoidance: a finished task leaves `_SUCCESS.json`, written last, with the digest of all that its outputs follow
from.

That digest, the key, covers the command, the values of its parameters, the content of its input artifacts and of the
places named by its Location parameters, and the code version of the stage; never paths. A task whose key and outputs
are still there is not run again. A user may edit an output by hand: the task that made it stays done, and what depends
on it runs again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from voicemill.contract.code import code_version
from voicemill.engine.digests import Digests, digest_of
from voicemill.engine.fields import Json
from voicemill.engine.locations import exists, places_in
from voicemill.engine.nodes import Node, Phase

MARKER = "_SUCCESS.json"
STATE = ".state"
LOG = "log.txt"
_STARTED = ".key"
_KEPT = (LOG, _STARTED)


def key_of(container: Json, inputs: dict[str, Path], locations: dict[str, str], digests: Digests) -> str:
    """The key of a task.

    Args:
        container: Its command, arguments and environment, with names in place of the paths that differ from run to run.
        inputs: Its input artifacts that exist.
        locations: Its Location parameters; a local path counts by content, anything else by name.
        digests: Content digests.
    """
    command = [*(container.get("command") or []), *(container.get("args") or [])]
    module = command[command.index("-m") + 1] if "-m" in command[:-1] else ""
    return digest_of(
        {
            "command": command,
            "source": container.get("source"),
            "env": container.get("env") or [],
            "inputs": {name: digests.tree(path) for name, path in inputs.items()},
            "locations": {name: _location(value, digests) for name, value in locations.items()},
            "code": code_version(module) if module.startswith(("stages.", "voicemill.")) else "",
        }
    )


def _location(value: str, digests: Digests) -> str:
    places = places_in(value)
    digested = [digests.tree(Path(place)) if place and exists(Path(place)) else place for place in places]
    return ",".join(digested)


def restore(folder: Path, node: Node) -> bool:
    """Fill a node from the marker in its folder if it was made from the same key and its outputs exist."""
    try:
        found: Json = json.loads((folder / MARKER).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    artifacts = {name: folder / place for name, place in found["artifacts"].items()}
    if found["key"] != node.key or not all(path.exists() for path in artifacts.values()):
        return False
    node.parameters, node.artifacts, node.result = found["parameters"], artifacts, found["result"]
    node.exit_code, node.cached = found["exit_code"], True
    node.started, node.finished = found["started"], found["finished"]
    node.phase = Phase.SUCCEEDED
    return True


def begin(folder: Path, key: str) -> None:
    """Make ready a task's folder for a try: the state that an earlier try left to resume from stays.

    Outputs of earlier tries go, as a pod on a cluster starts without them; so does the log of another key. Whether a
    state of another key can be gone on from is for the stage to say: a training of more epochs begins with the same.
    """
    (folder / MARKER).unlink(missing_ok=True)
    started = folder / _STARTED
    same = started.exists() and started.read_text() == key
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.name == STATE or (same and entry.name in _KEPT):
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(started, key)


def save(folder: Path, node: Node) -> None:
    """Write the marker of a node that succeeded."""
    record = {
        "key": node.key,
        "task": node.name,
        "parameters": node.parameters,
        "artifacts": {name: os.path.relpath(path, folder) for name, path in node.artifacts.items()},
        "result": node.result,
        "exit_code": node.exit_code,
        "started": node.started,
        "finished": node.finished,
    }
    write_whole(folder / MARKER, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is seen whole or not at all, also after a power cut."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
