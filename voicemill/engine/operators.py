"""The operators and functions of expr, on values as JSON has them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from voicemill.core import untrusted
from voicemill.core.json_values import is_list
from voicemill.engine.go_json import marshal


class ExpressionError(Exception):
    """An expression that cannot be parsed, uses what is not supported, or fails on its values."""


def boolean(value: Any) -> bool:
    """Return the value, if it is true or false."""
    if not isinstance(value, bool):
        raise ExpressionError(f"{value!r} is not true or false")
    return value


def number(value: Any) -> int | float:
    """Return the value, if it is a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ExpressionError(f"{value!r} is not a number")
    return value


def as_text(value: Any) -> str:
    """Return the text that Argo puts in place of a tag: a string as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return marshal(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"{value!r} is not text")
    return value


def _equal(left: Any, right: Any) -> bool:
    # Python's True == 1 is not expr's.
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        return compare(number(left), number(right))

    return apply


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return number(left) + number(right)


def _remainder(left: Any, right: Any) -> int:
    if not (isinstance(number(left), int) and isinstance(number(right), int)):
        raise ExpressionError("% wants whole numbers")
    return int(math.fmod(left, right))  # the sign of the dividend, as in Go


def _joined(items: list[str], separator: str = "") -> str:
    return separator.join(items)


def _contained(item: Any, container: Any) -> bool:
    if container is None:
        return False
    if isinstance(container, dict):
        return item in container
    if not is_list(container):
        raise ExpressionError(f"'in' wants a list or a map, not {container!r}")
    return any(_equal(item, other) for other in container)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda a, b: not _equal(a, b),
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
    "in": _contained,
    "not in": lambda a, b: not _contained(a, b),
    "matches": lambda a, b: re.search(_text(b), _text(a)) is not None,
    "contains": lambda a, b: _text(b) in _text(a),
    "startsWith": lambda a, b: _text(a).startswith(_text(b)),
    "endsWith": lambda a, b: _text(a).endswith(_text(b)),
    "+": _plus,
    "-": lambda a, b: number(a) - number(b),
    "*": lambda a, b: number(a) * number(b),
    "/": lambda a, b: number(a) / number(b),
    "%": _remainder,
    "**": lambda a, b: float(number(a)) ** number(b),
    "^": lambda a, b: float(number(a)) ** number(b),
}
"""Operators whose sides are both evaluated."""


def _from_json(document: str) -> Any:
    return untrusted.json_value(_text(document), object)


def _jsonpath(document: str, path: str) -> Any:
    value = _from_json(document)
    if not re.fullmatch(r"\$((\.[\w-]+)|(\[\d+\])|(\['[^']+'\])|(\[\"[^\"]+\"\]))*", path):
        raise ExpressionError(f"jsonpath {path!r} is not supported: only names and indexes are")
    for dotted, index, single, double in re.findall(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]", path):
        value = value[int(index)] if index else value[dotted or single or double]
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "asInt": int,
    "int": int,
    "asFloat": float,
    "float": float,
    "string": as_text,
    "toJson": marshal,
    "fromJSON": _from_json,
    "jsonpath": _jsonpath,
    "len": len,
    "min": min,
    "max": max,
    "abs": abs,
    "lower": str.lower,
    "upper": str.upper,
    "trim": str.strip,
    "split": str.split,
    "join": _joined,
}
"""Functions that an expression may call, by expr's names for them."""
