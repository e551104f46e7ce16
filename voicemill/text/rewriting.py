"""Tables of rules that write a text's figures and signs as they are said.

A table is a CSV file of a language: `rule,pattern,said,example,reading`. The rules run one after the other in the order
of the file, each over the whole text; what a rule has written in words no later rule takes for figures.
A pattern is a regular expression in which `{NAME}` stands for one of the language's own; `said` may hold `{group}` or
`{group|reader}`, where a reader turns what the group has matched into words. The example and its reading document a
rule and test it.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from re import Match

Readers = Mapping[str, Callable[[str], str]]
_SLOT = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
_NAME = re.compile(r"\{([A-Z_]+)\}")


@dataclass(frozen=True)
class Rule:
    """One row of a table."""

    name: str
    pattern: re.Pattern[str]
    said: Callable[[Match[str]], str]
    example: str
    reading: str


def read_rules(package: str, file: str, names: Mapping[str, str], readers: Readers) -> list[Rule]:
    """Return the rules of a table.

    Args:
        package: The package that the file is in.
        file: Name of the CSV file.
        names: What `{NAME}` stands for in patterns: a whole regular expression, or characters to stand in a class.
        readers: What `{group|reader}` may name.
    """
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return [
        Rule(
            row["rule"],
            _compiled(row["pattern"], names),
            _template(row["said"], readers),
            row["example"],
            row["reading"],
        )
        for row in csv.DictReader(text.split("\n"), strict=True)
    ]


def read_tables(package: str, file: str) -> dict[str, dict[str, str]]:
    """Tables of words and how they are said, from a CSV file `table,written,said`."""
    tables: dict[str, dict[str, str]] = {}
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    for row in csv.DictReader(text.split("\n"), strict=True):
        tables.setdefault(row["table"], {})[row["written"]] = row["said"]
    return tables


def rewrite(text: str, rules: list[Rule]) -> str:
    """Return the text as the rules write it."""
    for rule in rules:
        text = rule.pattern.sub(rule.said, text)
    return text


def alternatives(words: Mapping[str, str] | list[str]) -> str:
    """Return a pattern of any of the words, longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def _compiled(pattern: str, names: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(_NAME.sub(lambda match: names[match[1]], pattern))


def _template(said: str, readers: Readers) -> Callable[[Match[str]], str]:
    slots = [
        (match[1], readers[match[2]] if match[2] else str, match.start(), match.end()) for match in _SLOT.finditer(said)
    ]

    def fill(match: Match[str]) -> str:
        parts, at = [], 0
        for group, reader, start, end in slots:
            written = match[group]
            parts += [said[at:start], reader(written) if written is not None else ""]
            at = end
        return "".join([*parts, said[at:]])

    return fill
