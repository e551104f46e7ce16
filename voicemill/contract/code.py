"""The code version of a stage: a digest of its module and of every project module that it imports, however far down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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

    What only type checkers import does not count, and what a module's `__getattr__` imports only counts for those who
    import a name from it that it does not have otherwise, such as `from voicemill import Voice`.

    A stage may name packages in `JUDGED_BY` that only judge what it made: those do not count either.

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
    without = _parsed(_source(waiting[0])).judged_by
    while waiting:
        name = waiting.pop()
        source = _source(name)
        if source not in sources and not any(f"{name}.".startswith(f"{each}.") for each in without):
            sources.add(source)
            waiting.extend(_imports(source))
    data = {file for folder in {source.parent for source in sources} for file in folder.iterdir() if file.is_file()}
    parts: list[bytes] = []
    for path in sorted(sources | {file for file in data if file.suffix not in (".py", ".pyc")}):
        parts += [f"{path.relative_to(_FOLDER)}\n".encode(), path.read_bytes()]
    return content_digest(b"".join(parts))[:16]


@dataclass(frozen=True)
class _Imports:
    """What a module imports, as pairs of a module and a name in it, which is empty for the module itself.

    Attributes:
        always: At top level and in functions; not for type checkers alone.
        lazily: In the module's `__getattr__`, when it is asked for a name that it does not have.
        names: Those that it has.
        judged_by: Packages in `JUDGED_BY`.
    """

    always: tuple[tuple[str, str], ...]
    lazily: tuple[tuple[str, str], ...]
    names: frozenset[str]
    judged_by: tuple[str, ...]


@cache
def _imports(source: Path) -> frozenset[str]:
    return frozenset(name for name in _named(source) if _is_ours(name) and _source(name).exists())


def _named(source: Path) -> Iterator[str]:
    """Modules that run for a module to do its work, and whatever else looks like the name of one."""
    for base, name in _parsed(source).always:
        yield from _with_packages(base, name)
        if name and _is_ours(base) and _source(base).exists() and not _source(f"{base}.{name}").exists():
            asked = _parsed(_source(base))
            if name not in asked.names:
                yield from (each for pair in asked.lazily for each in _with_packages(*pair))


def _with_packages(base: str, name: str) -> Iterator[str]:
    # Importing a module runs the packages above it; the last part may be a name inside the module.
    pieces = [*base.split("."), *([name] if name else [])]
    return (".".join(pieces[:count]) for count in range(1, len(pieces) + 1))


@cache
def _parsed(source: Path) -> _Imports:
    with _one_tree_at_a_time:
        body = ast.parse(source.read_bytes()).body
    lazy: list[ast.stmt] = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    always = [node for node in body if node not in lazy]
    return _Imports(
        tuple(_imported(always, source)),
        tuple(_imported(lazy, source)),
        frozenset(_bound(body)) if lazy else frozenset(),
        _judged_by(body),
    )


def _judged_by(body: list[ast.stmt]) -> tuple[str, ...]:
    """Return the value of a module's `JUDGED_BY`, a tuple of strings; empty without one."""
    for node in body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "JUDGED_BY" for t in node.targets):
            return tuple(ast.literal_eval(node.value))
    return ()


def _imported(nodes: list[ast.stmt], source: Path) -> Iterator[tuple[str, str]]:
    package = (_PACKAGE, *source.relative_to(_FOLDER).parts[:-1])
    for node in _running(nodes):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def _running(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Return the nodes and all below them, but for those that only type checkers see."""
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        waiting.extend(node.orelse if isinstance(node, ast.If) and for_types else ast.iter_child_nodes(node))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Return the names that a module has when it was imported."""
    for node in _running([node for node in body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    yield from (node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == _PACKAGE


def _source(module: str) -> Path:
    path = _FOLDER.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
