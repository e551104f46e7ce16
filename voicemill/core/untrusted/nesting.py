"""How much a structure is, when what it shares is counted as often as it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from voicemill.core.untrusted.files import Unreadable

CHARACTERS_PER_VALUE = 16
"""Text counts as well: a list may hold the same megabyte a thousand times."""


def check_size(value: Any, children: Callable[[Any], Iterable[Any] | None], *, most: int, deepest: int) -> None:
    """Check that whoever walks, prints, copies or hashes a structure will come to an end soon.

    A list that holds the same list twice, 34 times over, takes 200 bytes to write and 2**34 steps to walk. Here every
    object is looked at once, whatever the structure is.

    Args:
        value: The structure.
        children: What an object holds; None for what is not a container.
        most: Values that it may have.
        deepest: Containers that may be inside each other.

    Raises:
        Unreadable: If it has more, is deeper, or holds itself.
    """
    done: dict[int, tuple[int, int]] = {}  # by id: values, height
    path: list[tuple[Any, Iterator[Any], list[int]]] = []
    entered: set[int] = set()

    def enter(node: Any) -> None:
        inner = children(node)
        if inner is None:
            length = len(node) if isinstance(node, str | bytes | bytearray) else 0
            done[id(node)] = (1 + length // CHARACTERS_PER_VALUE, 0)
            return
        if len(path) == deepest:
            raise Unreadable(f"it is nested deeper than {deepest} levels")
        entered.add(id(node))
        path.append((node, iter(inner), [1, 0]))

    enter(value)
    while path:
        node, inner, sums = path[-1]
        for child in inner:
            if id(child) in entered:
                raise Unreadable("it holds itself")
            if id(child) not in done:
                enter(child)
                if id(child) not in done:
                    break  # a container, to be counted first; it adds itself to this one when it is left
            _add(sums, done[id(child)], most)
        else:
            path.pop()
            entered.remove(id(node))
            values, height = sums[0], sums[1] + 1
            if height > deepest:
                raise Unreadable(f"it is nested deeper than {deepest} levels")
            done[id(node)] = (values, height)
            if path:
                _add(path[-1][2], done[id(node)], most)


def _add(sums: list[int], child: tuple[int, int], most: int) -> None:
    sums[0] += child[0]
    sums[1] = max(sums[1], child[1])
    if sums[0] > most:
        raise Unreadable(f"it holds more than {most} values, counting what is shared as often as it is used")
