"""The part of the expr language (expr-lang.org) that Argo's `expression` fields and `{{=...}}` tags need.

Literals, lists, maps, member access, calls, `?:`, `??`, `?.`, arithmetic, comparison, `in`, `matches`, `contains`,
`startsWith`, `endsWith` and the functions in `FUNCTIONS`. Closures, pipes, ranges, slices and Sprig are refused by name
when an expression is parsed, which happens before any task starts.

Source of the precedences: https://expr-lang.org/docs/language-definition and expr's parser/operator/operator.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicemill.core.json_values import is_list, is_object
from voicemill.engine.operators import FUNCTIONS, OPERATORS, ExpressionError, boolean, number

Environment = Mapping[str, Any]
Evaluate = Callable[[Environment], Any]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_$][\w$]*)
    | (?P<symbol>\?\?|\?\.|\*\*|\|\||&&|==|!=|<=|>=|\.\.|[-+*/%^<>!?:.,()\[\]{}|\#])
    )""",
    re.VERBOSE,
)
_BINARY = {
    **dict.fromkeys(("||", "or"), 10),
    **dict.fromkeys(("&&", "and"), 15),
    **dict.fromkeys(
        ("==", "!=", "<", ">", "<=", ">=", "in", "not in", "matches", "contains", "startsWith", "endsWith"), 20
    ),
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    **dict.fromkeys(("**", "^"), 100),
    "??": 500,
}
_UNARY = {"not": 50, "-": 90, "+": 90, "!": 1000}
_CONSTANTS = {"true": True, "false": False, "nil": None}


@dataclass
class Expression:
    """A parsed expression.

    Attributes:
        text: As it was written.
        names: Dotted paths of the variables that it reads, such as `tasks.measure.outputs.parameters.noisy`.
    """

    text: str
    evaluate: Evaluate
    names: list[str] = field(default_factory=list[str])

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """Evaluate with flat, dotted variable names, as Argo keeps them.

        Raises:
            ExpressionError: naming the expression and what is wrong with its values.
        """
        try:
            return self.evaluate(nested(variables))
        except ExpressionError as error:
            raise ExpressionError(f"expression {self.text!r}: {error}") from None
        except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError, re.error) as error:
            raise ExpressionError(f"expression {self.text!r}: {error}") from error

    def truth(self, variables: Mapping[str, Any]) -> bool:
        """Evaluate to a boolean; anything else is an error, as in Argo."""
        value = self(variables)
        if not isinstance(value, bool):
            raise ExpressionError(f"expression {self.text!r} evaluates to {value!r}, not true or false")
        return value


def nested(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"a.b": 1}` into `{"a": {"b": 1}}`; where `a` is itself a value, the deeper name wins, as in Argo."""
    tree: dict[str, Any] = {}
    for name in sorted(variables, key=lambda name: name.count(".")):
        *folders, leaf = name.split(".")
        branch = tree
        for folder in folders:
            if not isinstance(branch.get(folder), dict):
                branch[folder] = {}
            branch = branch[folder]
        branch[leaf] = variables[name]
    return tree


def parse(text: str) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: naming what is not expr, or not supported here.
    """
    parser = _Parser(text)
    evaluate = parser.expression()
    if parser.peek() is not None:
        raise ExpressionError(f"expression {text!r}: {parser.peek()!r} is not supported here")
    return Expression(text, evaluate, parser.names)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self.tokens = self._split(text)
        self.at = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if not match:
                raise ExpressionError(f"expression {text!r}: {text[at:].strip()!r} is not supported")
            kind = str(match.lastgroup)
            tokens.append((kind, match[kind]))
            at = match.end()
        return tokens

    def peek(self, ahead: int = 0) -> str | None:
        return self.tokens[self.at + ahead][1] if self.at + ahead < len(self.tokens) else None

    def kind(self) -> str | None:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else None

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise ExpressionError(f"expression {self.text!r}: {wanted or 'a value'} expected, not {token or 'its end'}")
        self.at += 1
        return token

    def expression(self, floor: int = 0) -> Evaluate:
        left = self.unary()
        while True:
            operator, width = self.peek(), 1
            if operator == "not" and self.peek(1) == "in":
                operator, width = "not in", 2
            if self.kind() == "string" or operator not in _BINARY or _BINARY[operator] < floor:
                break
            self.at += width
            right_associative = operator in ("**", "^")
            right = self.expression(_BINARY[operator] + (0 if right_associative else 1))
            left = _binary(operator, left, right)
        if floor == 0 and self.peek() == "?" and self.kind() == "symbol":
            self.take()
            condition, yes = left, self.expression()
            self.take(":")
            no = self.expression()
            return lambda env: yes(env) if boolean(condition(env)) else no(env)
        return left

    def unary(self) -> Evaluate:
        operator = self.peek()
        if self.kind() != "string" and operator in _UNARY:
            self.take()
            operand = self.expression(_UNARY[operator])
            if operator in ("!", "not"):
                return lambda env: not boolean(operand(env))
            sign = -1 if operator == "-" else 1
            return lambda env: sign * number(operand(env))
        return self.postfix()

    def postfix(self) -> Evaluate:
        kind, token = self.kind(), self.take()
        if kind == "number":
            value = _constant(float(token) if "." in token or "e" in token.lower() else int(token))
        elif kind == "string":
            value = _constant(_unquote(token))
        elif token == "(":
            value = self.expression()
            self.take(")")
        elif token == "[":
            value = self.sequence()
        elif token == "{":
            value = self.mapping()
        elif kind == "name" and token in _CONSTANTS:
            value = _constant(_CONSTANTS[token])
        elif kind == "name" and self.peek() == "(":
            return self.members(self.call(token), None)
        elif kind == "name":
            return self.members(lambda env: _variable(env, token), token)
        else:
            raise ExpressionError(f"expression {self.text!r}: {token!r} is not supported here")
        return self.members(value, None)

    def members(self, value: Evaluate, path: str | None) -> Evaluate:
        """Follow `.name`, `?.name` and `['name']` after a value; `path` is its dotted name while it has one."""
        while self.kind() == "symbol" and self.peek() in (".", "?.", "["):
            opening = self.take()
            if opening == "[":
                quoted = self.kind() == "string" and self.peek(1) == "]"
                step = _unquote(self.take()) if quoted else None
                index = _constant(step) if quoted else self.expression()
                self.take("]")
            else:
                step = self.take()
                index = _constant(step)
                if self.peek() == "(":
                    raise ExpressionError(f"expression {self.text!r}: {path}.{step}() is not supported")
            if path is not None and step is None:
                self.names.append(path)
                path = None
            elif path is not None:
                path = f"{path}.{step}"
            value = _member(value, index, optional=opening == "?.")
        if path is not None:
            self.names.append(path)
        return value

    def listed(self, closing: str) -> list[Evaluate]:
        items: list[Evaluate] = []
        while self.peek() != closing:
            items.append(self.expression())
            if self.peek() != closing:
                self.take(",")
        self.take(closing)
        return items

    def sequence(self) -> Evaluate:
        items = self.listed("]")
        return lambda env: [item(env) for item in items]

    def mapping(self) -> Evaluate:
        entries: list[tuple[str, Evaluate]] = []
        while self.peek() != "}":
            kind, key = self.kind(), self.take()
            self.take(":")
            entries.append((_unquote(key) if kind == "string" else key, self.expression()))
            if self.peek() != "}":
                self.take(",")
        self.take("}")
        return lambda env: {key: value(env) for key, value in entries}

    def call(self, name: str) -> Evaluate:
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionError(f"expression {self.text!r}: the function {name}() is not supported")
        self.take("(")
        arguments = self.listed(")")
        return lambda env: function(*(argument(env) for argument in arguments))


def _constant(value: Any) -> Evaluate:
    return lambda env: value


def _unquote(token: str) -> str:
    body = token[1:-1].replace("\\'", "'").replace('\\"', '"')
    return json.loads('"' + body.replace('"', '\\"') + '"')


def _variable(env: Environment, name: str) -> Any:
    if name not in env:
        raise ExpressionError(f"unknown name {name}")
    return env[name]


def _member(value: Evaluate, index: Evaluate, *, optional: bool) -> Evaluate:
    def follow(env: Environment) -> Any:
        container, key = value(env), index(env)
        if container is None and optional:
            return None
        if is_object(container):
            return container.get(key)
        if (is_list(container) or isinstance(container, str)) and isinstance(key, int):
            return container[key]
        raise ExpressionError(f"cannot fetch {key} from {container!r}")

    return follow


def _binary(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator in ("||", "or"):
        return lambda env: boolean(left(env)) or boolean(right(env))
    if operator in ("&&", "and"):
        return lambda env: boolean(left(env)) and boolean(right(env))
    if operator == "??":
        return lambda env: right(env) if (value := left(env)) is None else value
    apply = OPERATORS[operator]
    return lambda env: apply(left(env), right(env))
