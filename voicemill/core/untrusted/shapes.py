"""Documents as dataclasses: every field is there and of its type, before anything is done with it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from voicemill.core.display import display
from voicemill.core.untrusted.files import Unreadable, refused

T = TypeVar("T")
_WORDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def shaped(kind: type[T], value: object, name: object, *, hint: str = "") -> T:
    """Return a dataclass from what a JSON document holds.

    Fields of type str, int, float, bool, None, Any, Literal, unions, lists, tuples, mappings and other dataclasses are
    checked; nothing is converted but integers to floats and lists to tuples. Fields with a default may be left out; a
    field that the dataclass does not have is refused.

    Args:
        kind: The dataclass.
        value: A dictionary from JSON.
        name: What errors call the document.
        hint: What the user may do about it.

    Raises:
        InputError: If it does not fit; names the field.
    """
    try:
        return _fit(kind, value, "")
    except Unreadable as error:
        raise refused(name, error, hint) from error


def member(fields: Mapping[str, Any], key: str, kind: type[T], name: object, *, hint: str = "") -> T:
    """Return one field of a JSON object, whatever else the object holds.

    Args:
        fields: The object.
        key: The field.
        kind: Its type, as in `shaped`.
        name: What errors call the object.
        hint: What the user may do about it.

    Raises:
        InputError: If the field is missing or of another type.
    """
    try:
        if key not in fields:
            raise Unreadable(f"it lacks the field {key!r}")
        return _fit(kind, fields[key], key)
    except Unreadable as error:
        raise refused(name, error, hint) from error


def _fit(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, place)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, place)
    if origin is typing.Literal:
        if not any(type(value) is type(each) and value == each for each in arguments):
            raise Unreadable(f"{_at(place)} is {_shown(value)}, not one of {', '.join(map(str, arguments))}")
        return value
    if origin in (list, tuple, Sequence) or kind in (list, tuple):
        if not isinstance(value, list):
            raise Unreadable(f"{_at(place)} is {_shown(value)}, not a list")
        return _items(tuple if (origin or kind) is tuple else list, arguments, value, place)
    if origin in (dict, Mapping) or kind in (dict, Mapping):
        if not isinstance(value, dict):
            raise Unreadable(f"{_at(place)} is {_shown(value)}, not an object")
        inner = arguments[1] if arguments else Any
        return {key: _fit(inner, each, f"{place}.{display(key, 40)}") for key, each in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if kind in (None, type(None)):
        if value is not None:
            raise Unreadable(f"{_at(place)} is {_shown(value)}, not null")
        return None
    if type(value) is not kind:
        raise Unreadable(f"{_at(place)} is {_shown(value)}, not {_WORDS.get(kind, kind.__name__)}")
    return value


def _dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise Unreadable(f"{_at(place)} is {_shown(value)}, not an object")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    unknown = value.keys() - fields.keys()
    if unknown:
        raise Unreadable(f"{_at(place)} has the field '{display(min(unknown))}', which is not known here")
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in value and not has_default:
            raise Unreadable(f"{_at(place)} lacks the field {name!r}")
    return kind(**{name: _fit(hints[name], each, f"{place}.{name}") for name, each in value.items()})


def _one_of(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    problems: list[Unreadable] = []
    for kind in kinds:
        try:
            return _fit(kind, value, place)
        except Unreadable as error:
            problems.append(error)
    raise problems[0]


def _items(container: type, arguments: tuple[Any, ...], value: list[Any], place: str) -> Any:
    is_fixed = container is tuple and arguments and arguments[-1] is not Ellipsis
    if is_fixed and len(value) != len(arguments):
        raise Unreadable(f"{_at(place)} has {len(value)} items, not {len(arguments)}")
    kinds = arguments if is_fixed else [arguments[0] if arguments else Any] * len(value)
    pairs = enumerate(zip(kinds, value, strict=True))
    return container(_fit(kind, each, f"{place}[{index}]") for index, (kind, each) in pairs)


def _at(place: str) -> str:
    return place.lstrip(".") or "the document"


def _shown(value: Any) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value)) or display(repr(value)[:200], 60)
