"""A document becomes a dataclass whole and of the right types, or is refused with the field's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from voicemill.core.errors import InputError
from voicemill.core.untrusted import member, shaped


@dataclass(frozen=True)
class Part:
    file: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part
    count: int
    tags: tuple[str, ...] = ()
    pair: tuple[int, str] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    is_good: bool = True
    format: Literal[1, 2] = 1


GOOD = {"name": "anna", "part": {"file": "a.wav", "seconds": 3}, "count": 2, "tags": ["x"], "pair": [1, "a"]}


def test_a_document_that_fits_becomes_the_dataclass() -> None:
    found = shaped(Whole, {**GOOD, "about": {"x": [1]}, "sizes": {"a": 1}}, "whole.json")
    assert found == Whole("anna", Part("a.wav", 3.0), 2, ("x",), (1, "a"), {"x": [1]}, {"a": 1})
    assert isinstance(found.part.seconds, float)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": 5}, "name is 5, not a string"),
        ({"name": None}, "name is null, not a string"),
        ({"part": "x"}, "part is 'x', not an object"),
        ({"part": {}}, "part lacks the field 'file'"),
        ({"part": {"file": ["a"]}}, "part.file is a list, not a string"),
        ({"part": {"file": "a", "seconds": "3"}}, "part.seconds is '3', not a number"),
        ({"part": {"file": "a", "more": 1}}, "part has the field 'more', which is not known here"),
        ({"count": True}, "count is True, not an integer"),
        ({"count": 2.0}, "count is 2.0, not an integer"),
        ({"tags": "x"}, "tags is 'x', not a list"),
        ({"tags": ["x", 5]}, r"tags\[1\] is 5, not a string"),
        ({"pair": [1]}, "pair has 1 items, not 2"),
        ({"about": []}, "about is a list, not an object"),
        ({"sizes": {"a\x1b": "b"}}, r"sizes.a\\x1b is 'b', not an integer"),
        ({"is_good": 1}, "is_good is 1, not true or false"),
        ({"format": 3}, "format is 3, not one of 1, 2"),
        ({"format": True}, "format is True, not one of 1, 2"),
        ({"\x1b[31m": 1}, r"has the field '\\x1b\[31m'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=f"whole.json cannot be used: .*{problem}.*; do this"):
        shaped(Whole, {**GOOD, **change}, "whole.json", hint="do this")


@pytest.mark.parametrize("value", [[], None, "x", 5])
def test_only_an_object_becomes_a_dataclass(value: object) -> None:
    with pytest.raises(InputError, match="the document is .*, not an object"):
        shaped(Whole, value, "whole.json")


def test_one_field_is_read_by_its_type() -> None:
    assert member({"a": 1, "b": []}, "a", float, "x.json") == 1.0
    with pytest.raises(InputError, match="x.json cannot be used: it lacks the field 'c'; ask again"):
        member({"a": 1}, "c", str, "x.json", hint="ask again")
    with pytest.raises(InputError, match="x.json cannot be used: a is 1, not a string"):
        member({"a": 1}, "a", str, "x.json")
