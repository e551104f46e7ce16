"""A steps template: groups one after the other, the steps of a group side by side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from voicemill.engine import fanout
from voicemill.engine.digests import digest_of
from voicemill.engine.fields import Json, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.scope import Scope, branch_of, node_scope, template_outputs
from voicemill.engine.workflow import groups_of

if TYPE_CHECKING:
    from voicemill.engine.execution import Attempt, Execution


async def run(execution: Execution, attempt: Attempt) -> None:
    """Run the groups until one fails; a step's failure with a fitting `continueOn` fails no group."""
    node, call, shown = attempt.node, attempt.call, attempt.shown
    scope = call.own_scope()
    shown.phase = node.phase = Phase.RUNNING
    keys: list[str] = []
    ran: list[Node] = []
    for group in groups_of(call.template):
        nodes = [execution.node(call.child(step["name"])[0]) for step in group]

        def may_start(nodes: list[Node] = nodes) -> bool:
            return not (call.template.get("failFast") and any(other.phase.unsuccessful for other in nodes))

        async with asyncio.TaskGroup() as together:
            for step, own in zip(group, nodes, strict=True):
                together.create_task(fanout.run(execution, call, step, own, scope, "steps", list(keys), may_start))
        ran += nodes
        if execution.waiting and any(own.phase is Phase.PENDING for own in nodes):
            node.phase = shown.phase = Phase.PENDING
            return
        for step, own in zip(group, nodes, strict=True):
            own.branch = branch_of(own, [])
            own.key = own.key or digest_of([child.key for child in own.children])
            template = execution.called_template(call.templates, step)
            scope = scope.joined(node_scope("steps", step["name"], own, template))
        scope = scope.joined(Scope(execution.variables))
        keys = [digest_of([*keys, *(own.key for own in nodes)])]
        failed = [own for step, own in zip(group, nodes, strict=True) if not _accepted(step, own)]
        if failed:
            node.started = _started(ran)
            node.end(Phase.FAILED, f"child '{failed[0].name}' failed")
            return
    node.started, node.key = _started(ran), keys[0] if keys else ""
    template_outputs(call.template, scope, node)
    node.end(Phase.SUCCEEDED)


def _accepted(step: Json, node: Node) -> bool:
    go_on = section(step, "continueOn")
    members = node.children if node.is_group else [node]
    allowed = {Phase.FAILED: go_on.get("failed"), Phase.ERROR: go_on.get("error")}
    return all(member.phase is not Phase.PENDING and allowed.get(member.phase, True) for member in members)


def _started(nodes: list[Node]) -> float:
    return min((node.started for node in nodes if node.started), default=0.0)
