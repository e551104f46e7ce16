"""The language of `when`, evaluated as govaluate does after every tag is replaced; bare words are strings.

A value takes the place of its tag as one operand: in quotes it is escaped, elsewhere a value that is more than a word
or a number becomes a string, so that a quote or an operator in a user's text never changes what is asked. (Argo inserts
values as they are: there `'{{inputs.parameters.text}}' == ''` with the text `it's` ends the node in Error.)

Comparison, `=~`, `!~`, `in (a, b)`, `&&`, `||`, `!`, arithmetic and parentheses are here; bitwise operators and the
ternary are refused by name. A hyphen joins no word: `foo-bar` is a subtraction, which fails on strings, there as here.

Source: github.com/Knetic/govaluate v3 parsing.go, EvaluableExpression.go; Argo's steps.go `shouldExecute`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any, cast

from voicemill.engine.templating import TAG, Variables, value_of

_LEVELS = (("||",), ("&&",), ("==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"), ("+", "-"), ("*", "/", "%"), ("**",))
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right,
    "%": math.fmod,
    "**": lambda left, right: left**right,
}
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_SYMBOLS = {symbol for level in _LEVELS for symbol in level} | {"!", "-"}
# Also the words joined by hyphens that are a subtraction, as on Argo.
_BARE = re.compile(r"|-?[\d.]+|(?!(?:in|IN)$)\w+(?:-\w+)*")


class ConditionError(Exception):
    """A `when` that Argo would not evaluate either."""


def fill(when: str, variables: Variables) -> str:
    """Replace the tags of a `when`, each value as one operand.

    Raises:
        Unresolved: naming the tag and why it has no value.
    """
    parts: list[str] = []
    end, quoted = 0, False
    for tag in TAG.finditer(when):
        written = when[end : tag.start()]
        quoted = _in_quotes(written, quoted)
        value = value_of(tag, variables, final=True)
        escaped = re.sub(r"([\\'\"])", r"\\\1", value)
        parts += [written, escaped if quoted else value if _BARE.fullmatch(value) else f"'{escaped}'"]
        end = tag.end()
    return "".join([*parts, when[end:]])


def _in_quotes(text: str, quoted: bool) -> bool:
    """Whether what follows a text stands in quotes; either quote ends a string, a backslash escapes anything in one."""
    at = 0
    while at < len(text):
        if quoted and text[at] == "\\":
            at += 1
        elif text[at] in "'\"":
            quoted = not quoted
        at += 1
    return quoted


def holds(when: str) -> bool:
    """Return whether a `when`, its tags already replaced, lets the task run; an empty one does.

    Raises:
        ConditionError: saying what is wrong with it; Argo ends such a node in Error.
    """
    if not when.strip():
        return True
    reader = _Reader(when)
    value = reader.level(0)
    if reader.token is not None:
        raise ConditionError(f"when {when!r}: {reader.token[1]!r} cannot stand there (quote it if it is text)")
    if not isinstance(value, bool):
        raise ConditionError(f"when {when!r} evaluates to {value!r}, not true or false")
    return value


class _Reader:
    """Reads and evaluates in one pass; `skipping` parses the side of `&&` or `||` that does not count."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.skipping = text, 0, 0
        self.token: tuple[str, Any] | None = None
        self.advance()

    def fail(self, reason: str) -> ConditionError:
        return ConditionError(f"when {self.text!r}: {reason}")

    def advance(self) -> None:
        text = self.text
        while self.at < len(text) and text[self.at].isspace():
            self.at += 1
        if self.at == len(text):
            self.token = None
            return
        first = text[self.at]
        if first.isdigit() or first == ".":
            match = re.compile(r"[\d.]+").match(text, self.at)
            assert match
            try:
                self.token = ("value", float(match[0]))
            except ValueError:
                raise self.fail(f"{match[0]!r} is not a number; quote it if it is text") from None
            self.at = match.end()
        elif first.isalpha():
            match = re.compile(r"\w+").match(text, self.at)
            assert match
            word: Any = {"true": True, "false": False}.get(match[0], match[0])
            self.token = ("symbol", "in") if match[0] in ("in", "IN") else ("value", word)
            self.at = match.end()
        elif first in "'\"":
            self._string()
        elif first in "(),":
            self.token = (first, first)
            self.at += 1
        else:
            match = re.compile(r"[^\w\s()'\",]+").match(text, self.at)
            symbol = match[0] if match else first
            if symbol not in _SYMBOLS:
                raise self.fail(f"{symbol!r} is not supported (quote the text that it is in)")
            self.token = ("symbol", symbol)
            self.at += len(symbol)

    def _string(self) -> None:
        # govaluate lets either quote end a string, and a backslash escape anything.
        out: list[str] = []
        at = self.at + 1
        while at < len(self.text) and self.text[at] not in "'\"":
            at += self.text[at] == "\\"
            out.append(self.text[at : at + 1])
            at += 1
        if at >= len(self.text):
            raise self.fail("a string is not closed")
        self.token, self.at = ("value", "".join(out)), at + 1

    def accept(self, symbols: tuple[str, ...]) -> str | None:
        if self.token and self.token[0] == "symbol" and self.token[1] in symbols:
            symbol = self.token[1]
            self.advance()
            return symbol
        return None

    def level(self, depth: int) -> Any:
        if depth == len(_LEVELS):
            return self.prefix()
        left = self.level(depth + 1)
        while symbol := self.accept(_LEVELS[depth]):
            if symbol in ("&&", "||"):
                decided = not self.skipping and isinstance(left, bool) and left == (symbol == "||")
                self.skipping += decided
                right = self.level(depth + 1)
                self.skipping -= decided
                left = left if decided else self.logical(symbol, left, right)
            else:
                left = self.apply(symbol, left, self.level(depth + 1))
        return left

    def prefix(self) -> Any:
        if self.accept(("!",)):
            value = self.prefix()
            if not isinstance(value, bool) and not self.skipping:
                raise self.fail(f"! cannot be used on {value!r}")
            return not value
        if self.accept(("-",)):
            value = self.prefix()
            return value if self.skipping else -self.number(value, "-")
        if self.token is None:
            raise self.fail("it ends too early")
        kind, value = self.token
        self.advance()
        if kind == "value":
            return value
        if kind != "(":
            raise self.fail(f"{value!r} cannot stand there")
        items = [self.level(0)]
        while self.token and self.token[0] == ",":
            self.advance()
            items.append(self.level(0))
        if not self.token or self.token[0] != ")":
            raise self.fail("a parenthesis is not closed")
        self.advance()
        return items[0] if len(items) == 1 else tuple(items)

    def number(self, value: Any, symbol: str) -> float:
        if not isinstance(value, float):
            raise self.fail(f"{value!r} cannot be used with {symbol!r}: it is not a number")
        return value

    def logical(self, symbol: str, left: Any, right: Any) -> Any:
        if self.skipping:
            return False
        if not (isinstance(left, bool) and isinstance(right, bool)):
            raise self.fail(f"{symbol!r} wants true or false on both sides")
        return (left and right) if symbol == "&&" else (left or right)

    def apply(self, symbol: str, left: Any, right: Any) -> Any:
        if self.skipping:
            return False
        if symbol in ("==", "!="):
            return (type(left) is type(right) and left == right) == (symbol == "==")
        if symbol in ("=~", "!~"):
            if not (isinstance(left, str) and isinstance(right, str)):
                raise self.fail(f"{symbol!r} wants text on both sides")
            return (re.search(right, left) is not None) == (symbol == "=~")
        if symbol == "in":
            if not isinstance(right, tuple):
                raise self.fail("'in' wants a list in parentheses")
            choices = cast(tuple[Any, ...], right)
            return any(type(left) is type(item) and left == item for item in choices)
        if symbol in _ORDER:
            if not (isinstance(left, str) and isinstance(right, str)):
                left, right = self.number(left, symbol), self.number(right, symbol)
            return _ORDER[symbol](left, right)
        if symbol == "+" and (isinstance(left, str) or isinstance(right, str)):
            return _as_go(left) + _as_go(right)
        a, b = self.number(left, symbol), self.number(right, symbol)
        try:
            value = _ARITHMETIC[symbol](a, b)
        except (ArithmeticError, ValueError) as error:
            raise self.fail(str(error)) from None
        if isinstance(value, complex):
            raise self.fail(f"{a} {symbol} {b} is not a number")
        return value


def _as_go(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
