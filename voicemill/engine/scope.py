"""What can be read where: variables of the workflow, of a template's inputs, of the tasks that a task comes after."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.engine import templating
from voicemill.engine.expressions import ExpressionError, parse
from voicemill.engine.fields import Json, rows, section
from voicemill.engine.go_json import marshal
from voicemill.engine.nodes import Node, Phase, aggregated
from voicemill.engine.templating import Unresolved
from voicemill.engine.workflow import Templates, text_of


class NodeError(Exception):
    """Something that ends a node in phase Error: not its command's failing, but what surrounds it."""


@dataclass
class Scope:
    """Variables and artifacts by dotted name; a variable that is None is the output of a task that did not run."""

    variables: dict[str, str | None] = field(default_factory=dict[str, str | None])
    artifacts: dict[str, Path] = field(default_factory=dict[str, Path])

    def joined(self, *others: Scope) -> Scope:
        """This and others, the later over the earlier."""
        scopes = (self, *others)
        return Scope(
            {name: value for scope in scopes for name, value in scope.variables.items()},
            {name: value for scope in scopes for name, value in scope.artifacts.items()},
        )


@dataclass
class Call:
    """A template called with its inputs.

    Attributes:
        name: Node name; empty for the entrypoint, so that its tasks carry their plain names.
        folder: Name of the folder in the run folder; derived from the node name.
        templates: Where the template's own calls resolve.
        template: The template. Tags of the workflow and of its inputs are filled in where nothing else can be read (its
            deadline, locks, retries); its body, inputs and outputs are as written.
        parameters: Values of `inputs.parameters`.
        artifacts: Places of `inputs.artifacts` that exist.
        variables: Everything that a pod's tags may read, besides paths and tries.
        upstream: Keys of the tasks it comes after; an approval is only as good as what was approved.
    """

    name: str
    folder: str
    templates: Templates
    template: Json
    parameters: dict[str, str]
    artifacts: dict[str, Path]
    variables: dict[str, str | None]
    upstream: list[str] = field(default_factory=list[str])

    def child(self, task: str, index: int | None = None) -> tuple[str, str]:
        """Node name and folder of a task of this template; `index` is its place in a fan-out."""
        plain = task.partition("(")[0] + ("" if index is None else f"@{index}")
        return (f"{self.name}.{task}", f"{self.folder}.{plain}") if self.name else (task, plain)

    def own_scope(self) -> Scope:
        """Return what the tasks of this template may read before any of them has run."""
        artifacts = {f"inputs.artifacts.{name}": path for name, path in self.artifacts.items()}
        return Scope(dict(self.variables), artifacts)


def node_scope(prefix: str, name: str, node: Node, template: Json | None) -> Scope:
    """Return what others may read of a task: `tasks.NAME.status` and so on.

    Args:
        prefix: `tasks` or `steps`.
        name: The task's name in its template.
        node: What became of it.
        template: The template it calls: its outputs' defaults stand in where it did not run.
    """
    last = node.children[-1] if node.children and not node.is_group else node
    at = f"{prefix}.{name}"
    variables: dict[str, str | None] = {f"{at}.status": str(node.phase), f"{at}.id": node.name}
    for when, moment in (("startedAt", node.started), ("finishedAt", node.finished)):
        if moment:
            variables[f"{at}.{when}"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    if node.phase in (Phase.SKIPPED, Phase.OMITTED):
        for item in rows(section(template or {}, "outputs"), "parameters"):
            default = section(item, "valueFrom").get("default")
            variables[f"{at}.outputs.parameters.{item['name']}"] = None if default is None else text_of(default)
        return Scope(variables)
    if node.is_group:
        done = [child for child in node.children if child.phase is Phase.SUCCEEDED]
        for parameter, value in aggregated(node.children).items():
            variables[f"{at}.outputs.parameters.{parameter}"] = value
        variables[f"{at}.outputs.parameters"] = marshal([child.parameters for child in done if child.parameters])
        results = [_parsed(child.result) for child in done if child.result is not None]
        variables[f"{at}.outputs.result"] = marshal(results)
        return Scope(variables)
    if last.exit_code is not None:
        variables[f"{at}.exitCode"] = str(last.exit_code)
    if last.result is not None:
        variables[f"{at}.outputs.result"] = last.result
    for parameter, value in last.parameters.items():
        variables[f"{at}.outputs.parameters.{parameter}"] = value
    artifacts = {f"{at}.outputs.artifacts.{artifact}": path for artifact, path in last.artifacts.items()}
    return Scope(variables, artifacts)


def resolve_arguments(task: Json, scope: Scope) -> tuple[dict[str, str], dict[str, Path]]:
    """Return the arguments of a task or step.

    A parameter that is nothing but an absent output is left out, so that the called template's default applies; so is
    an optional artifact that does not exist.

    Raises:
        NodeError: for anything else that has no value.
    """
    given = section(task, "arguments")
    parameters: dict[str, str] = {}
    for item in rows(given, "parameters"):
        name = templating.sole_name(item.get("value"))
        if item.get("value") is None or (name in scope.variables and scope.variables[name or ""] is None):
            continue
        parameters[item["name"]] = filled(text_of(item["value"]), scope)
    artifacts: dict[str, Path] = {}
    for item in rows(given, "artifacts"):
        path = resolve_artifact(item, scope)
        if path is not None:
            artifacts[item["name"]] = path
    return parameters, artifacts


def filled(text: Any, scope: Scope) -> Any:
    """`text` with every tag replaced, or NodeError."""
    try:
        return templating.fill(text, scope.variables, final=True)
    except Unresolved as error:
        raise NodeError(str(error)) from None


def resolve_artifact(item: Json, scope: Scope) -> Path | None:
    """Where an artifact with `from` or `fromExpression` lies; None if it has neither, or is optional and not there."""
    if "from" in item:
        name = templating.sole_name(item["from"]) or item["from"]
        path = scope.artifacts.get(name)
    elif "fromExpression" in item:
        path = _chosen(item["fromExpression"], scope)
        name = item["fromExpression"]
    else:
        return None
    if path is None:
        if item.get("optional"):
            return None
        raise NodeError(f"the artifact {name} was not made")
    return path / filled(item["subPath"], scope) if item.get("subPath") else path


def _chosen(text: str, scope: Scope) -> Path | None:
    # Paths go through the expression as their text.
    names = {name: str(path) for name, path in scope.artifacts.items()}
    try:
        value = parse(text)({**scope.variables, **names})
    except ExpressionError as error:
        raise NodeError(str(error)) from None
    return Path(value) if value else None


def template_outputs(template: Json, scope: Scope, node: Node) -> None:
    """Fill in the outputs that a DAG or steps template draws from its tasks.

    Raises:
        NodeError: for an output without a value and without a default.
    """
    outputs = section(template, "outputs")
    for item in rows(outputs, "parameters"):
        source = section(item, "valueFrom")
        value: Any = None
        reason = f"the output parameter {item['name']} has no value"
        if "expression" in source:
            try:
                value = parse(source["expression"])(_expression_variables(scope))
            except ExpressionError as error:
                reason = str(error)
        else:
            name = templating.sole_name(source.get("parameter", "")) or source.get("parameter", "")
            value = scope.variables.get(name)
        if value is None and source.get("default") is not None:
            value = filled(text_of(source["default"]), scope)
        if value is None:
            raise NodeError(reason)
        node.parameters[item["name"]] = text_of(value)
    for item in rows(outputs, "artifacts"):
        path = resolve_artifact(item, scope)
        if path is not None:
            node.artifacts[item["name"]] = path


def _expression_variables(scope: Scope) -> dict[str, Any]:
    return {**scope.variables, **{name: str(path) for name, path in scope.artifacts.items()}}


def branch_of(node: Node, parents: Iterable[Node]) -> set[Phase]:
    """The phases that a task hands on to those after it; see `Node.branch`. Source: Argo's dag.go, assessDAGPhase."""
    if node.phase.completed:
        return {node.phase}
    return {phase for parent in parents for phase in parent.branch} or {Phase.SUCCEEDED}


def _parsed(text: str) -> Any:
    try:
        return untrusted.json_value(text, object)
    except untrusted.Unreadable:
        return text
