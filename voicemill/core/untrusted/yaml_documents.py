"""YAML, strictly: JSON's values only, bounded size and depth, aliases counted as often as they are used, no key twice.

The nodes are counted as libyaml parses them, before PyYAML's recursive composer sees any of them: a few kilobytes of
brackets would end it with a segmentation fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from voicemill.core.display import display
from voicemill.core.json_values import plain_type
from voicemill.core.untrusted.files import Unreadable, decoded, read_bytes, refused
from voicemill.core.untrusted.json_documents import DEEPEST, LONGEST_INTEGER

MOST_BYTES = 8 * 2**20
MOST_NODES = 500_000
"""Scalars, lists and mappings, each counted as often as aliases repeat it."""

T = TypeVar("T")
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Values that JSON has as well: dates stay text; sets, pairs and binary values are left out."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    tag: construct
    for tag, construct in _Base.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
}


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    if len(node.value) > LONGEST_INTEGER:
        raise Unreadable(f"the number {display(node.value, 20)} has more than {LONGEST_INTEGER} digits")
    return loader.construct_yaml_int(node)


def _number(loader: Any, node: yaml.ScalarNode) -> float:
    number = loader.construct_yaml_float(node)
    if not math.isfinite(number):
        raise Unreadable(f"{display(node.value, 20)} is not a finite number")
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_yaml(path: Path, expect: type[T], *, hint: str = "", most_bytes: int = MOST_BYTES) -> T:
    """Return a YAML file of one document.

    Args:
        path: The file.
        expect: Type of the whole: `dict[str, Any]`, `list[Any]`, or `object` for any.
        hint: What the user may do about a file that cannot be used.
        most_bytes: Largest size.

    Raises:
        InputError: If the file does not exist or it cannot be used; names the file and the place.
    """
    return parse_yaml(read_bytes(path, hint=hint, most_bytes=most_bytes), path, expect, hint=hint)


def parse_yaml(data: bytes | str, name: object, expect: type[T], *, hint: str = "") -> T:
    """Return a YAML document that is in memory; `name` is what errors call it. Otherwise as `read_yaml`."""
    documents = parse_yaml_documents(data, name, hint=hint)
    found = documents[0] if documents else None
    if len(documents) > 1:
        raise refused(name, "it holds more than one YAML document", hint)
    wanted = plain_type(expect)
    if not isinstance(found, wanted):
        kind = {dict: "mapping", list: "list"}.get(wanted, wanted.__name__)
        raise refused(name, f"it is not a YAML {kind}", hint)
    return found


def parse_yaml_documents(data: bytes | str, name: object, *, hint: str = "") -> list[Any]:
    """Return all documents of a YAML stream.

    Raises:
        InputError: If one of them cannot be used.
    """
    try:
        text = decoded(data)
        _check(text)
        return list(yaml.load_all(text, _Loader))
    except Unreadable as error:
        raise refused(name, error, hint) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise refused(name, f"it is not valid YAML ({error.problem or error.context}{place})", hint) from error
    # ValueError: an integer such as 0x or a scalar that its explicit tag does not fit; TypeError: an unhashable key.
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise refused(name, f"it is not valid YAML ({error})", hint) from error


@dataclass
class _Open:
    """A list or mapping that has begun: its anchor, the nodes in it so far, and for a mapping its keys."""

    anchor: str | None
    nodes: int = 1
    is_mapping: bool = False
    children: int = 0
    keys: set[str] = field(default_factory=set)


def _check(text: str) -> None:
    """Count what a stream would become.

    Raises:
        Unreadable: If it is too deep or too much, an alias holds itself, or a mapping has a key twice.
    """
    loader: Any = _Base(text)
    try:
        counts = _Counts()
        while loader.check_event():
            counts.take(loader.get_event())
    finally:
        loader.dispose()


class _Counts:
    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.sizes: dict[str, int] = {}
        self.total = 0

    def take(self, event: yaml.Event) -> None:
        """Count what an event adds."""
        if isinstance(event, yaml.DocumentStartEvent):
            self.sizes = {}
        elif isinstance(event, yaml.ScalarEvent):
            self._key(event)
            self._add(1, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.sizes:
                raise Unreadable(f"line {event.start_mark.line + 1}: *{display(event.anchor)} is not defined before it")
            self._add(self.sizes[event.anchor], None)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self.open) == DEEPEST:
                raise Unreadable(f"line {event.start_mark.line + 1}: it is nested deeper than {DEEPEST} levels")
            # Until it ends, an alias to it would make it hold itself.
            self.sizes.pop(event.anchor or "", None)
            self.open.append(_Open(event.anchor, is_mapping=isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self.open.pop()
            self._add(ended.nodes, ended.anchor)

    def _key(self, event: yaml.ScalarEvent) -> None:
        parent = self.open[-1] if self.open else None
        if parent is None or not parent.is_mapping or parent.children % 2:
            return
        if event.value in parent.keys and event.value != "<<":
            raise Unreadable(f"line {event.start_mark.line + 1}: the key '{display(event.value)}' appears twice")
        parent.keys.add(event.value)

    def _add(self, nodes: int, anchor: str | None) -> None:
        if anchor:
            self.sizes[anchor] = nodes
        if self.open:
            self.open[-1].nodes += nodes
            self.open[-1].children += 1
            nodes = self.open[-1].nodes
        else:
            self.total += nodes
        if max(nodes, self.total) > MOST_NODES:
            raise Unreadable(f"it holds more than {MOST_NODES} values, counting aliases as often as they are used")
