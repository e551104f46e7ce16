"""A DAG template: every task runs as soon as what it depends on has come to an end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from voicemill.engine import depends, fanout
from voicemill.engine.digests import digest_of
from voicemill.engine.expressions import ExpressionError
from voicemill.engine.fields import Json, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.scope import Call, Scope, branch_of, node_scope, template_outputs

if TYPE_CHECKING:
    from voicemill.engine.execution import Attempt, Execution


async def run(execution: Execution, attempt: Attempt) -> None:
    """Run a DAG and give its node a phase and outputs.

    A failure stops nothing but what depends on the failed task (Argo's `dag.failFast` only concerns how soon the
    verdict is given); the template's own `failFast` lets no further task start.
    """
    node, call, shown = attempt.node, attempt.call, attempt.shown
    tasks: dict[str, Json] = {task["name"]: task for task in call.template["dag"]["tasks"]}
    targets = targets_of(call.template["dag"])
    nodes: dict[str, Node] = {}
    running: dict[str, asyncio.Task[None]] = {}
    shown.phase = node.phase = Phase.RUNNING

    def may_start() -> bool:
        return not (call.template.get("failFast") and any(_failed(other) for other in nodes.values()))

    async def one(name: str) -> None:
        waits_for = depends.dependencies_of(tasks[name])
        await asyncio.gather(*(running[other] for other in waits_for))
        if not may_start() or any(nodes[other].phase is Phase.PENDING for other in waits_for):
            return
        own = nodes[name]
        execution.nodes.append(own)
        parents = [nodes[other] for other in waits_for]
        try:
            if not depends.may_run(tasks[name], tasks, nodes):
                execution.finish(own, Phase.OMITTED, "omitted: depends condition not met")
            else:
                upstream = [parent.key for parent in parents if parent.key]
                scope = _ancestors_scope(execution, call, tasks, nodes, name)
                await fanout.run(execution, call, tasks[name], own, scope, "tasks", upstream, may_start)
        except ExpressionError as error:
            execution.finish(own, Phase.ERROR, str(error))
        if own.children and not own.key:
            own.key = digest_of([child.key for child in own.children])
        own.branch = branch_of(own, parents)

    async with asyncio.TaskGroup() as group:
        for name in in_order(tasks, targets):
            nodes[name] = Node(call.child(name)[0])
            running[name] = group.create_task(one(name))
    node.started = min((other.started for other in nodes.values() if other.started), default=0.0)
    node.key = digest_of({name: other.key for name, other in nodes.items()})
    if execution.waiting and any(nodes[name].phase is Phase.PENDING for name in targets):
        node.phase = shown.phase = Phase.PENDING
        return
    phase = _verdict(call, tasks, targets, nodes)
    if phase is Phase.SUCCEEDED:
        scope = call.own_scope()
        for name, other in nodes.items():
            scope = scope.joined(_scope_of(execution, call, tasks[name], other))
        template_outputs(call.template, scope, node)
    node.end(phase, "" if may_start() else "template has failed or errored children and failFast enabled")


def targets_of(dag: Json) -> list[str]:
    """Return the tasks whose phases decide the DAG's: those it names, else those that no other waits for."""
    if dag.get("target"):
        return dag["target"].split()
    awaited = {name for task in dag["tasks"] for name in depends.dependencies_of(task)}
    return sorted(task["name"] for task in dag["tasks"] if task["name"] not in awaited)


def in_order(tasks: dict[str, Json], targets: list[str]) -> list[str]:
    """Return the targets and all they wait for, each after those it waits for."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for other in depends.dependencies_of(tasks[name]):
                visit(other)
            ordered[name] = None

    wanted = ancestors(tasks, targets) | set(targets)
    for name in tasks:
        if name in wanted:
            visit(name)
    return list(ordered)


def ancestors(tasks: dict[str, Json], names: list[str]) -> set[str]:
    """Return all tasks that those named wait for, however far up."""
    found: set[str] = set()
    waiting = [other for name in names for other in depends.dependencies_of(tasks[name])]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += depends.dependencies_of(tasks[name])
    return found


def _failed(node: Node) -> bool:
    return node.phase.unsuccessful or any(child.phase.unsuccessful for child in node.children if node.is_group)


def _ancestors_scope(
    execution: Execution, call: Call, tasks: dict[str, Json], nodes: dict[str, Node], name: str
) -> Scope:
    scope = call.own_scope().joined(Scope(execution.variables))
    for other in ancestors(tasks, [name]):
        scope = scope.joined(_scope_of(execution, call, tasks[other], nodes[other]))
    return scope


def _scope_of(execution: Execution, call: Call, task: Json, node: Node) -> Scope:
    if node.phase is Phase.PENDING:
        return Scope()
    template = execution.called_template(call.templates, task)
    return node_scope("tasks", task["name"], node, template)


def _verdict(call: Call, tasks: dict[str, Json], targets: list[str], nodes: dict[str, Node]) -> Phase:
    """The DAG's phase, from its targets; an omitted one counts as those before it. Source: dag.go, assessDAGPhase."""
    verdict = Phase.SUCCEEDED
    for name in targets:
        if nodes[name].phase is Phase.PENDING:
            return Phase.FAILED
        failures = sorted(phase for phase in nodes[name].branch if phase.unsuccessful)
        go_on = section(tasks[name], "continueOn")
        if not failures or go_on.get("failed" if failures[-1] is Phase.FAILED else "error"):
            continue
        verdict = failures[-1]
        if call.template["dag"].get("failFast", True) is not False:
            break
    return verdict
