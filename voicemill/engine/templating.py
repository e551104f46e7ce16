"""Argo's tags: `{{name}}` is replaced by a variable, `{{=expression}}` by the value of an expression.

Only what a template's author wrote is searched for tags: a value is inserted as it is and never searched in turn, so
braces in a user's text stay braces. (Argo does search values again: see "Text with braces" in docs/how-to/cluster.md.)

A variable whose value is `None` is an absent output: of a task that was skipped or omitted and declares no default. A
plain tag that meets one is an error; an expression sees `nil` and may choose another value with `??`.
Source: Argo's util/template, docs/variables.md ("Outputs of Skipped and Omitted Nodes").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from voicemill.core.json_values import is_list, is_object
from voicemill.engine import expressions
from voicemill.engine.operators import ExpressionError, as_text

Variables = Mapping[str, str | None]

TAG = re.compile(r"\{\{((?:[^{}]|\{(?!\{)|\}(?!\}))*)\}\}")
_WHOLE = re.compile(r"\{\{([^{}=][^{}]*)\}\}")


class Unresolved(Exception):
    """A tag without a value."""


def tags(value: Any) -> Iterator[str]:
    """Return every tag in the strings of a nested value, without its braces."""
    if isinstance(value, str):
        yield from (match.strip() for match in TAG.findall(value))
    elif is_object(value):
        for item in value.values():
            yield from tags(item)
    elif is_list(value):
        for item in value:
            yield from tags(item)


def names(tag: str) -> list[str]:
    """Return the variables that a tag reads.

    Raises:
        ExpressionError: if it is an expression that is not supported.
    """
    return expressions.parse(tag[1:]).names if tag.startswith("=") else [tag]


def sole_name(text: Any) -> str | None:
    """Return the variable that a text consists of, as `x` for `{{x}}`; None where there is more or less."""
    match = _WHOLE.fullmatch(text) if isinstance(text, str) else None
    return match[1].strip() if match else None


def fill(value: Any, variables: Variables, *, final: bool) -> Any:
    """Replace the tags in every string of a nested value.

    Args:
        value: Strings, lists and maps; map keys are left alone.
        variables: Values by dotted name.
        final: True if every tag must be known; False leaves the unknown ones for a later pass.

    Raises:
        Unresolved: naming the tag and why it has no value.
    """
    return over_strings(value, lambda text: TAG.sub(lambda tag: value_of(tag, variables, final=final), text))


def value_of(match: re.Match[str], variables: Variables, *, final: bool) -> str:
    """Return the value of the tag that `TAG` matched; with `final` False, an unknown tag's own text.

    Raises:
        Unresolved: naming the tag and why it has no value.
    """
    tag = match[1].strip()
    if tag.startswith("="):
        return _evaluate(tag[1:], variables, match[0], final=final)
    if tag not in variables:
        if final:
            raise Unresolved(f"{{{{{tag}}}}} has no value")
        return match[0]
    found = variables[tag]
    if found is None:
        raise Unresolved(f"{{{{{tag}}}}} is the output of a task that did not run, and has no default")
    return found


def _evaluate(text: str, variables: Variables, original: str, *, final: bool) -> str:
    try:
        expression = expressions.parse(text)
        known = all(any(name == key or key.startswith(f"{name}.") for key in variables) for name in expression.names)
        if not known and not final:
            return original
        value = expression(variables)
    except ExpressionError as error:
        raise Unresolved(str(error)) from None
    if value is None:
        raise Unresolved(f"expression {text!r} gives nothing")
    return as_text(value)


def over_strings(value: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of a nested value with every string in it changed."""
    if isinstance(value, str):
        return change(value)
    if is_object(value):
        return {key: over_strings(item, change) for key, item in value.items()}
    if is_list(value):
        return [over_strings(item, change) for item in value]
    return value
