"""The code version of a stage: a digest of its module and of every project module that it imports, however far down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock

import voicemill
from voicemill.contract import renames
from voicemill.core.digests import content_digest

_PACKAGE = "voicemill"
_FOLDER = Path(voicemill.__path__[0])
# Python 3.11 counts the depth of all threads' syntax trees as one, and fails when they grow at the same time.
_one_tree_at_a_time = Lock()


def code_version(module: str) -> str:
    """Digest of the source of a stage's module and of the project modules it imports, at top level or in functions.

    Editing a module changes the version of exactly those stages whose work it can change. Data files beside the
    modules (tables, page templates) count as source.

    Args:
        module: Such as `voicemill.stages.slice`.

    Returns:
        Sixteen hex digits; empty for what is not part of voicemill.
    """
    if module.partition(".")[0] != _PACKAGE:
        return ""
    sources: set[Path] = set()
    waiting = [renames.present_module(module)]
    while waiting:
        source = _source(waiting.pop())
        if source not in sources:
            sources.add(source)
            waiting.extend(_imports(source))
    data = {file for folder in {source.parent for source in sources} for file in folder.iterdir() if file.is_file()}
    parts: list[bytes] = []
    for path in sorted(sources | {file for file in data if file.suffix not in (".py", ".pyc")}):
        parts += [f"{path.relative_to(_FOLDER)}\n".encode(), path.read_bytes()]
    return content_digest(b"".join(parts))[:16]


@cache
def _imports(source: Path) -> frozenset[str]:
    return frozenset(name for name in _named(source) if name.split(".")[0] == _PACKAGE and _source(name).exists())


def _named(source: Path) -> Iterator[str]:
    parts = (_PACKAGE, *source.relative_to(_FOLDER).with_suffix("").parts)
    package = parts[:-1]
    with _one_tree_at_a_time:
        tree = ast.parse(source.read_bytes())
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            # Importing a module runs the packages above it; the last part may be a name inside the module.
            pieces = name.split(".")
            yield from (".".join(pieces[:count]) for count in range(1, len(pieces) + 1))


def _source(module: str) -> Path:
    path = _FOLDER.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
