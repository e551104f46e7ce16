"""When a DAG task may run: `depends`, and `dependencies` with `continueOn` as a form of it.

Source: Argo's docs/enhanced-depends-logic.md, workflow/common/ancestry.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from voicemill.engine import expressions
from voicemill.engine.fields import Json, listed, section
from voicemill.engine.nodes import Node, Phase

_OPERAND = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*)(\.[A-Z][a-zA-Z]+)?")
_RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed")


def expression_of(task: Json, tasks: Mapping[str, Json]) -> str:
    """Return the task's condition with every operand as `task.Result`; empty if it waits for nothing."""

    def plain(name: str) -> str:
        go_on = section(tasks.get(name, {}), "continueOn")
        accepted = ["Succeeded", "Skipped", "Daemoned"]
        accepted += ["Errored"] if go_on.get("error") else []
        accepted += ["Failed"] if go_on.get("failed") else []
        return "(" + " || ".join(f"{name}.{result}" for result in accepted) + ")"

    if task.get("depends"):
        return _OPERAND.sub(lambda match: match[0] if match[2] else plain(match[1]), task["depends"])
    return " && ".join(plain(name) for name in listed(task, "dependencies"))


def dependencies_of(task: Json) -> list[str]:
    """Return the names of the tasks that a task waits for, in the order written."""
    if task.get("depends"):
        return list(dict.fromkeys(match[1] for match in _OPERAND.finditer(task["depends"])))
    return list(dict.fromkeys(listed(task, "dependencies")))


def problem_of(task: Json, tasks: Mapping[str, Json]) -> str | None:
    """Return what is wrong with a task's `depends`, if anything, in a sentence."""
    if task.get("dependencies") and any(other.get("depends") for other in tasks.values()):
        return "has dependencies where there is depends in the same DAG, which cannot use both"
    unknown = [name for name in dependencies_of(task) if name not in tasks]
    if unknown:
        return f"waits for {', '.join(unknown)}, which is not a task of its DAG"
    results = [match[2][1:] for match in _OPERAND.finditer(task.get("depends") or "") if match[2]]
    wrong = [result for result in results if result not in _RESULTS]
    if wrong:
        return f"asks for the result {wrong[0]!r}; there are {', '.join(_RESULTS)}"
    try:
        expressions.parse(_identifiers(expression_of(task, tasks)) or "true")
    except expressions.ExpressionError as error:
        return f"has a depends that cannot be read: {error}"
    return None


def may_run(task: Json, tasks: Mapping[str, Json], nodes: Mapping[str, Node]) -> bool:
    """Return whether a task's condition holds, given what became of those it waits for; False means it is omitted."""
    text = expression_of(task, tasks)
    if not text:
        return True
    variables = {
        f"{_identifiers(name)}.{result}": value
        for name in dependencies_of(task)
        for result, value in _results(nodes[name]).items()
    }
    return expressions.parse(_identifiers(text)).truth(variables)


def _identifiers(text: str) -> str:
    # A hyphen would be a minus; names are read as Argo reads them. A leading digit is allowed in a name, not in an
    # identifier.
    return _OPERAND.sub(lambda match: "t_" + match[1].replace("-", "_") + (match[2] or ""), text)


def _results(node: Node) -> dict[str, bool]:
    phases: Iterable[Phase] = [child.phase for child in node.children] if node.is_group else []
    phases = list(phases)
    return {
        "Succeeded": node.phase is Phase.SUCCEEDED,
        "Failed": node.phase is Phase.FAILED,
        "Errored": node.phase is Phase.ERROR,
        "Skipped": node.phase is Phase.SKIPPED,
        "Omitted": node.phase is Phase.OMITTED,
        "Daemoned": False,
        "AnySucceeded": Phase.SUCCEEDED in phases,
        "AllFailed": bool(phases) and all(phase is Phase.FAILED for phase in phases),
    }
