"""One task or step, expanded by `withItems` or `withParam` where it has them, and gated by `when`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.json_values import is_list, is_object
from voicemill.engine import conditions, templating
from voicemill.engine.fields import Json
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.scope import Call, NodeError, Scope, filled, resolve_arguments
from voicemill.engine.workflow import text_of

if TYPE_CHECKING:
    from voicemill.engine.execution import Execution


async def run(
    execution: Execution,
    call: Call,
    task: Json,
    node: Node,
    scope: Scope,
    kind: str,
    upstream: list[str],
    may_start: Callable[[], bool],
) -> None:
    """Run a task whose turn has come.

    Args:
        execution: The run.
        call: The DAG or steps template that the task is part of.
        task: As in the template.
        node: Its node; a fan-out's becomes a group with a child for each item.
        scope: What it may read.
        kind: `tasks` or `steps`.
        upstream: Keys of those it comes after.
        may_start: False once a failure forbids to start more.
    """
    execution.events.emit("task", node)
    try:
        if _never_runs(call, task, scope):
            execution.finish(node, Phase.SKIPPED, f"when '{task['when']}' evaluated false")
            return
        items = _items(task, scope)
        if items is None:
            await _run_one(execution, call, task, node, scope, kind, upstream, may_start, None)
            return
    except NodeError as error:
        execution.finish(node, Phase.ERROR, str(error))
        return
    if not items:
        execution.finish(node, Phase.SKIPPED, "Skipped, empty params")
        return
    node.is_group, node.phase = True, Phase.RUNNING
    async with asyncio.TaskGroup() as group:
        for index, item in enumerate(items):
            variables, label = _item_variables(item)
            name, _ = call.child(f"{task['name']}({index}:{label})", index)
            child = execution.node(name)
            node.children.append(child)
            inner = scope.joined(Scope(variables))
            group.create_task(_run_one(execution, call, task, child, inner, kind, upstream, may_start, index))
    failed = [child.phase for child in node.children if child.phase.unsuccessful]
    unstarted = any(child.phase is Phase.PENDING for child in node.children)
    node.started = min((child.started for child in node.children if child.started), default=0.0)
    if unstarted and not failed:
        node.phase = Phase.PENDING
        return
    execution.finish(node, failed[-1] if failed else Phase.SUCCEEDED)


async def _run_one(
    execution: Execution,
    call: Call,
    task: Json,
    node: Node,
    scope: Scope,
    kind: str,
    upstream: list[str],
    may_start: Callable[[], bool],
    index: int | None,
) -> None:
    """A task that is not a fan-out, or one item of one."""
    try:
        when = conditions.fill(text_of(task.get("when", "")), scope.variables)
        if not conditions.holds(when):
            execution.finish(node, Phase.SKIPPED, f"when '{when}' evaluated false")
            return
        given = resolve_arguments(task, scope)
        templates, template = execution.workflow.resolve(call.templates, _holder(task))
    except (NodeError, templating.Unresolved, conditions.ConditionError) as error:
        execution.finish(node, Phase.ERROR, str(error))
        return
    if not may_start():
        return
    folder = call.child(task["name"], index)[1]
    own_name = {f"{kind}.name": node.display_name}
    await execution.run_template(
        node,
        folder,
        templates,
        template,
        given,
        own_name=own_name,
        upstream=upstream,
        boundary=call,
        may_start=may_start,
    )


def _holder(task: Json) -> Json:
    return {key: task[key] for key in ("name", "template", "templateRef", "inline") if key in task}


def _never_runs(call: Call, task: Json, scope: Scope) -> bool:
    """Whether `when` is false whatever the items are; then nothing is expanded, for what it expands may not exist.

    A literal list is expanded all the same, into skipped items: so does Argo.
    """
    if "withParam" not in task or not task.get("when"):
        return False
    try:
        if conditions.holds(conditions.fill(task["when"], scope.variables)):
            return False
        untrusted.json_value(templating.fill(task["withParam"], call.variables, final=False), object)
    except (templating.Unresolved, conditions.ConditionError):
        return False
    except untrusted.Unreadable:
        return True
    return False


def _items(task: Json, scope: Scope) -> list[Any] | None:
    """Return the items of a fan-out; None if the task is not one."""
    if task.get("withItems"):
        return [filled(item, scope) for item in task["withItems"]]
    if not task.get("withParam"):
        return None
    text = filled(text_of(task["withParam"]), scope)
    try:
        items = untrusted.json_value(text, object)
    except untrusted.Unreadable as error:
        raise NodeError(
            f"withParam value could not be parsed as a JSON list: {display(text.strip())}: {error}"
        ) from None
    if items is None:
        return []
    if not is_list(items):
        raise NodeError(f"withParam value is not a JSON list: {display(text.strip())}")
    return items


def _item_variables(item: Any) -> tuple[dict[str, str | None], str]:
    """`item` and `item.FIELD`, and the text that names the child. Source: Argo's operator.go, processItem."""
    variables: dict[str, str | None] = {"item": text_of(item)}
    label = text_of(item)
    if is_object(item):
        fields = {key: text_of(value) for key, value in item.items()}
        variables |= {f"item.{key}": value for key, value in fields.items()}
        label = ",".join(sorted(f"{key}:{value}" for key, value in fields.items()))
    return variables, label.replace("(", "").replace(")", "")
