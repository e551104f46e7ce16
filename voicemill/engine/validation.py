"""What a workflow must not contain to be run here, found before anything runs; all reasons are told at once.

Beside fields that the engine does not know, these are the mistakes that Argo's own validation finds: names that nothing
defines, variables without a value, cycles, arguments that are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from voicemill.engine import conditions, dag, depends, exports, expressions, fields, templating
from voicemill.engine.annotations import INSTEAD
from voicemill.engine.fields import Json, rows, section
from voicemill.engine.workflow import Templates, UnsupportedWorkflow, Workflow, calls_of, groups_of, text_of

_KINDS = ("container", "script", "dag", "steps", "suspend")
_WORKFLOW = {
    *("name", "namespace", "uid", "mainEntrypoint", "serviceAccountName", "creationTimestamp"),
    *("creationTimestamp.RFC3339", "parameters", "parameters.json"),
}
_EXIT = "status failures duration"


@dataclass
class Called:
    """A template that the run may call.

    Attributes:
        place: Where it is written, for messages.
        on_exit: Whether only the exit handler leads to it; there the workflow's outcome can be read.
    """

    place: str
    templates: Templates
    template: Json
    on_exit: bool


def check(workflow: Workflow) -> None:
    """Refuse a workflow that is not fully understood.

    Raises:
        UnsupportedWorkflow: with every reason on a line of its own.
    """
    check_place(workflow)
    problems = fields.unsupported(workflow.spec)
    problems = [f"{path} is not supported" for path in problems]
    if not workflow.spec.get("entrypoint"):
        problems.append("spec.entrypoint is missing")
    if not problems:
        try:
            called = list(reachable(workflow))
        except UnsupportedWorkflow as error:
            problems.append(str(error))
        else:
            problems += exports.problems(workflow)
            known = _globals(workflow, called)
            for item in called:
                problems += [f"{item.place}{problem}" for problem in _problems(workflow, item, known)]
    if problems:
        reasons = "\n  ".join(dict.fromkeys(problems))
        raise UnsupportedWorkflow(f"{workflow.name} cannot be run by the embedded engine:\n  {reasons}")


def check_place(workflow: Workflow) -> None:
    """Refuse a workflow that is for clusters alone.

    Raises:
        UnsupportedWorkflow: with the command that is for one machine.
    """
    if command := workflow.annotations.get(INSTEAD):
        raise UnsupportedWorkflow(f"{workflow.name} runs only on a cluster; on one machine use: {command}")


def reachable(workflow: Workflow) -> Iterator[Called]:
    """Return every template that the entrypoint or the exit handler leads to, once.

    Raises:
        UnsupportedWorkflow: for a template that does not exist.
    """
    seen: set[tuple[str, str, bool]] = set()
    waiting: list[tuple[Templates, Json, bool]] = [
        (workflow.templates, {"template": workflow.spec["entrypoint"]}, False)
    ]
    if workflow.spec.get("onExit"):
        waiting.append((workflow.templates, {"template": workflow.spec["onExit"]}, True))
    while waiting:
        scope, holder, on_exit = waiting.pop(0)
        if "inline" not in holder and any(
            True for _ in templating.tags([holder.get("template"), holder.get("templateRef")])
        ):
            raise UnsupportedWorkflow(
                f"the template of {holder.get('name')} is chosen by a variable, which is not supported"
            )
        templates, template = workflow.resolve(scope, holder)
        identity = (templates.name, template["name"], on_exit)
        if identity in seen and "inline" not in holder:
            continue
        seen.add(identity)
        owner = "spec" if templates is workflow.templates else templates.name
        yield Called(f"{owner}.templates[{template['name']}]", templates, template, on_exit)
        waiting += [(templates, call, on_exit) for call in calls_of(template)]


def _problems(workflow: Workflow, called: Called, known: set[str]) -> Iterator[str]:
    template = called.template
    if called.templates is not workflow.templates:
        yield from (f"{path} is not supported" for path in fields.unsupported(template, "Template", ""))
    kinds = [kind for kind in _KINDS if kind in template]
    if len(kinds) != 1:
        yield f" must be one of {', '.join(_KINDS)}"
        return
    own = known | _inputs(template) | {"node.name", "tasks.name", "steps.name"}
    if called.on_exit:
        own |= {f"workflow.{name}" for name in _EXIT.split()}
    if "dag" in template:
        yield from _dag_problems(workflow, called, own)
    elif "steps" in template:
        yield from _steps_problems(workflow, called, own)
    else:
        yield from _pod_problems(template, own)
    names = [call["name"] for call in calls_of(template) if "name" in call]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        yield f" has several tasks called {', '.join(sorted(doubled))}"


def _dag_problems(workflow: Workflow, called: Called, known: set[str]) -> Iterator[str]:
    body = called.template["dag"]
    tasks = {task["name"]: task for task in body["tasks"]}
    wrong = {name: problem for name, task in tasks.items() if (problem := depends.problem_of(task, tasks))}
    yield from (f".dag.tasks[{name}] {problem}" for name, problem in wrong.items())
    unknown = [name for name in (body.get("target") or "").split() if name not in tasks]
    if unknown:
        yield f".dag.target names {', '.join(unknown)}, which is not a task of it"
    circular = [] if wrong else [name for name in tasks if name in dag.ancestors(tasks, [name])]
    if circular:
        yield f".dag has a cycle: {', '.join(circular)}"
    if wrong or unknown or circular:
        return
    for name, task in tasks.items():
        before = {
            key for other in dag.ancestors(tasks, [name]) for key in _outputs(workflow, called, tasks[other], "tasks")
        }
        yield from _call_problems(workflow, called, task, f".dag.tasks[{name}]", known | before)
    every = {key for task in tasks.values() for key in _outputs(workflow, called, task, "tasks")}
    yield from _output_problems(called.template, known | every)


def _steps_problems(workflow: Workflow, called: Called, known: set[str]) -> Iterator[str]:
    for number, steps in enumerate(groups_of(called.template)):
        for step in steps:
            yield from _call_problems(workflow, called, step, f".steps[{number}][{step.get('name')}]", known)
        known = known | {key for step in steps for key in _outputs(workflow, called, step, "steps")}
    yield from _output_problems(called.template, known)


def _call_problems(workflow: Workflow, called: Called, call: Json, at: str, known: set[str]) -> Iterator[str]:
    expands = "withItems" in call or "withParam" in call
    fixed = {key: value for key, value in call.items() if key in ("when", "arguments", "withParam", "withItems")}
    fields_of_items = {name for tag in templating.tags(fixed) for name in _names(tag) if name.startswith("item.")}
    yield from _tag_problems(fixed, known | ({"item"} | fields_of_items if expands else set()), at)
    when = re.sub(r"\{\{.*?\}\}", "1", text_of(call.get("when", "")))
    try:
        conditions.holds(when)
    except conditions.ConditionError as error:
        # With every tag a 1 the types are wrong more often than not; only what cannot be read is certain.
        if "not supported" in str(error) or "not closed" in str(error):
            yield f"{at}.{error}"
    template = workflow.resolve(called.templates, call)[1]
    given = section(call, "arguments")
    supplied = {item["name"] for item in [*rows(given, "parameters"), *rows(given, "artifacts")]}
    inputs = section(template, "inputs")
    for item in rows(inputs, "parameters"):
        if item["name"] not in supplied and not ({"value", "default", "valueFrom"} & set(item)):
            yield f"{at} gives no argument for {template['name']}'s parameter {item['name']}"
    for item in rows(inputs, "artifacts"):
        if item["name"] not in supplied and not item.get("optional") and not ({"raw", "s3"} & set(item)):
            yield f"{at} gives no argument for {template['name']}'s artifact {item['name']}"


def _output_problems(template: Json, known: set[str]) -> Iterator[str]:
    outputs = section(template, "outputs")
    yield from _tag_problems(outputs, known, ".outputs")
    for item in [*rows(outputs, "parameters"), *rows(outputs, "artifacts")]:
        expression = section(item, "valueFrom").get("expression") or item.get("fromExpression")
        if expression:
            yield from _expression_problems(expression, known, f".outputs[{item['name']}]")


def _pod_problems(template: Json, known: set[str]) -> Iterator[str]:
    body = template.get("container") or template.get("script")
    paths: set[str] = set()
    for direction in ("inputs", "outputs"):
        for item in rows(section(template, direction), "artifacts"):
            paths |= {f"{direction}.artifacts.{item['name']}.path"} if item.get("path") else set()
            if item.get("path") and any(item["path"] in text for text in _strings(body)):
                yield (
                    f" writes out the path {item['path']}; here a path is known only by its variable, "
                    f"{{{{{direction}.artifacts.{item['name']}.path}}}}"
                )
    for item in rows(section(template, "outputs"), "parameters"):
        path = section(item, "valueFrom").get("path")
        if path:
            paths.add(f"outputs.parameters.{item['name']}.path")
            if any(path in text for text in _strings(body)):
                yield f" writes out the path {path}; use {{{{outputs.parameters.{item['name']}.path}}}}"
    if body is not None and not body.get("command"):
        yield " has no command; an image's own entrypoint is not known here"
    tries = {f"lastRetry.{name}" for name in ("exitCode", "status", "duration", "message")} | {"retries"}
    known = known | paths | {"pod.name"} | (tries if template.get("retryStrategy") else set())
    yield from _tag_problems(
        {key: template.get(key) for key in ("container", "script", "podSpecPatch", "outputs")}, known, ""
    )
    expression = section(template, "retryStrategy").get("expression")
    if expression:
        bare = expression.removeprefix("{{=").removesuffix("}}")
        yield from _expression_problems(bare, known | tries, ".retryStrategy.expression")


def _expression_problems(expression: str, known: set[str], at: str) -> Iterator[str]:
    # A value put into an expression as text would be evaluated as a part of it.
    for tag in templating.tags(expression):
        yield f"{at}: an expression reads {tag} by its name; write it without braces"
        return
    yield from _tag_problems("{{=" + expression + "}}", known, at)


def _tag_problems(value: Any, known: set[str], at: str) -> Iterator[str]:
    for tag in dict.fromkeys(templating.tags(value)):
        try:
            unknown = [name for name in templating.names(tag) if not _is_known(name, known)]
        except expressions.ExpressionError as error:
            yield f"{at}: {error}"
            continue
        if unknown:
            yield f"{at}: {{{{{tag}}}}} has no value" + (f" ({unknown[0]})" if unknown[0] != tag else "")


def _is_known(name: str, known: set[str]) -> bool:
    # An expression may read a whole branch, `inputs.parameters`, or look into a value that is one of several.
    return name in known or any(key.startswith(f"{name}.") for key in known)


def _names(tag: str) -> list[str]:
    try:
        return templating.names(tag)
    except expressions.ExpressionError:
        return []


def _strings(value: Any) -> list[str]:
    found: list[str] = []
    templating.over_strings(value, lambda text: found.append(text) or text)
    return found


def _globals(workflow: Workflow, called: list[Called]) -> set[str]:
    parameters = rows(section(workflow.spec, "arguments"), "parameters")
    outputs = [
        f"workflow.outputs.parameters.{item['globalName']}"
        for found in called
        for item in rows(section(found.template, "outputs"), "parameters")
        if "globalName" in item
    ]
    return {
        *(f"workflow.{name}" for name in _WORKFLOW),
        *(f"workflow.parameters.{item['name']}" for item in parameters),
        *(f"workflow.annotations.{name}" for name in workflow.annotations),
        *outputs,
    }


def _inputs(template: Json) -> set[str]:
    inputs = section(template, "inputs")
    parameters = [f"inputs.parameters.{item['name']}" for item in rows(inputs, "parameters")]
    return {
        "inputs.parameters",
        *parameters,
        *(f"inputs.artifacts.{item['name']}" for item in rows(inputs, "artifacts")),
    }


def _outputs(workflow: Workflow, called: Called, call: Json, kind: str) -> set[str]:
    """Return what others may read of a task."""
    template = workflow.resolve(called.templates, call)[1]
    outputs = section(template, "outputs")
    at = f"{kind}.{call['name']}"
    plain = ("status", "exitCode", "id", "startedAt", "finishedAt", "outputs.result", "outputs.parameters")
    return {
        *(f"{at}.{name}" for name in plain),
        *(f"{at}.outputs.parameters.{item['name']}" for item in rows(outputs, "parameters")),
        *(f"{at}.outputs.artifacts.{item['name']}" for item in rows(outputs, "artifacts")),
    }
