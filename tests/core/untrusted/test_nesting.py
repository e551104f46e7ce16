"""Whatever is shared in a structure, it is counted at once, and refused when walking it would take too long."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core.untrusted.files import Unreadable
from voicemill.core.untrusted.nesting import check_size


def children(node: Any) -> Any:
    return [*node, *node.values()] if isinstance(node, dict) else node if isinstance(node, list | tuple) else None


def check(value: Any, most: int = 1000, deepest: int = 64) -> None:
    check_size(value, children, most=most, deepest=deepest)


def shared(kind: type, depth: int) -> Any:
    found: Any = "ha"
    for _ in range(depth):
        found = kind((found, found))
    return found


@pytest.mark.parametrize("kind", [list, tuple])
def test_shared_parts_count_as_often_as_they_are_used(kind: type) -> None:
    start = time.monotonic()
    for depth in (34, 60):
        with pytest.raises(Unreadable, match="more than 1000 values"):
            check(shared(kind, depth))
    assert time.monotonic() - start < 1
    check(shared(kind, 8))


def test_a_structure_that_holds_itself_is_refused() -> None:
    for value in ([], {}):
        other: Any = [value]
        value["a" if isinstance(value, dict) else slice(0, 0)] = other  # type: ignore[index]
        with pytest.raises(Unreadable, match="holds itself"):
            check(value)


def test_depth_is_bounded_also_below_what_was_counted_before() -> None:
    deep: Any = []
    for _ in range(63):
        deep = [deep]
    check(deep)
    for value in ([deep], [[deep[0], deep]]):
        with pytest.raises(Unreadable, match="deeper than 64"):
            check(value)
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Unreadable, match="deeper than 64"):
        check(deep)


def test_text_counts_by_its_length() -> None:
    text = "x" * 16_000
    check(text, most=10)  # alone it is what the file holds
    with pytest.raises(Unreadable, match="more than 1000 values"):
        check([text])
    with pytest.raises(Unreadable, match="more than 1000 values"):
        check({"a": ["x" * 160] * 1000})


@given(st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4), max_leaves=30))
def test_the_count_is_that_of_a_walk(value: Any) -> None:
    def walk(value: Any) -> int:
        return 1 + sum(map(walk, value)) if isinstance(value, list) else 1

    count = walk(value)
    check(value, most=count)
    if count > 1:
        with pytest.raises(Unreadable):
            check(value, most=count - 1)
