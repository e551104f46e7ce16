"""What JSON, YAML and Argo's objects hold, of which only the content shows the type."""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar, get_origin

T = TypeVar("T")


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a value is an object; a reader of JSON makes its keys strings."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether a value is a list."""
    return isinstance(value, list)


def plain_type(kind: type[T]) -> type[T]:
    """Return what `isinstance` takes: `dict` for `dict[str, Any]`."""
    return get_origin(kind) or kind
