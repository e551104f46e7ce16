"""Matching arguments with a template's inputs, and a pod's body with its variables.

Source: Argo's workflow/common/util.go, ProcessArgs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Protocol

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.core.json_values import is_object
from voicemill.engine import templating
from voicemill.engine.fields import Json, listed, rows, section
from voicemill.engine.go_json import marshal
from voicemill.engine.nodes import Node
from voicemill.engine.scope import Call, NodeError, Scope, filled
from voicemill.engine.templating import Unresolved
from voicemill.engine.workflow import Templates, Workflow, merged, text_of

# Filled where they are used, once, when all their variables are known. A text that was filled is never filled again:
# braces in a value would be read as a tag.
_FILLED_LATER = ("container", "script", "podSpecPatch", "dag", "steps", "inputs", "outputs")


class Run(Protocol):
    """What a call needs to know of the run; see `voicemill.engine.execution.Execution`."""

    workflow: Workflow
    folder: Path
    variables: dict[str, str | None]
    keys: dict[str, Path]


def match(
    execution: Run,
    node: Node,
    templates: Templates,
    template: Json,
    given: tuple[dict[str, str], dict[str, Path]],
    own_name: dict[str, str],
    upstream: list[str],
) -> Call:
    """Return a template with its inputs: the arguments given, else its own defaults.

    Raises:
        NodeError: for an input that has neither.
    """
    variables: dict[str, str | None] = {**execution.variables, **own_name, "node.name": node.name}
    inputs = section(template, "inputs")
    parameters: dict[str, str] = {}
    for item in rows(inputs, "parameters"):
        name = item["name"]
        own = item.get("value", item.get("default", section(item, "valueFrom").get("default")))
        if name not in given[0] and own is None:
            raise NodeError(f"inputs.parameters.{name} had no value")
        parameters[name] = given[0][name] if name in given[0] else filled(text_of(own), Scope(variables))
    variables |= {f"inputs.parameters.{name}": value for name, value in parameters.items()}
    variables["inputs.parameters"] = marshal([{"name": name, "value": value} for name, value in parameters.items()])
    artifacts: dict[str, Path] = {}
    for item in rows(inputs, "artifacts"):
        path = given[1].get(item["name"]) or _from_store(execution, item, node.folder, Scope(variables))
        if path is not None:
            artifacts[item["name"]] = path
        elif not item.get("optional"):
            raise NodeError(f"inputs.artifacts.{item['name']} was not supplied")
    early = {key: value for key, value in template.items() if key not in _FILLED_LATER}
    try:
        body = {**template, **templating.fill(early, variables, final=False)}
    except Unresolved as error:
        raise NodeError(str(error)) from None
    return Call(node.name, node.folder, templates, body, parameters, artifacts, variables, upstream)


def _from_store(execution: Run, item: Json, folder: str, scope: Scope) -> Path | None:
    """Return an input artifact that names its own source: raw data, or the S3 key of other tasks' outputs.

    A key that is a prefix of several outputs' keys is a folder of them. A key `.../TASK/ARTIFACT` that no output
    declares is looked for in the task's folder.
    """
    own = execution.folder / ".inputs" / folder / item["name"]
    if "raw" in item:
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(filled(item["raw"]["data"], scope))
        return own
    if "s3" not in item:
        return None
    key = filled(item["s3"].get("key", ""), scope).strip("/")
    if key in execution.keys:
        return execution.keys[key]
    below = {name.removeprefix(f"{key}/"): path for name, path in execution.keys.items() if name.startswith(f"{key}/")}
    if not below:
        *_, task, artifact = ["", "", *key.split("/")]
        place = execution.folder / task / artifact
        return place if place.exists() else None
    shutil.rmtree(own, ignore_errors=True)
    for name, path in below.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).symlink_to(os.path.relpath(path, (own / name).parent))
    return own


def pod_body(execution: Run, template: Json, variables: dict[str, str | None]) -> Json:
    """Return a template's container or script, its tags filled, under what `podSpecPatch` says of the main container.

    Raises:
        NodeError: for a tag without a value, or a patch that is not YAML.
    """
    scope = Scope(variables)
    body = filled(template.get("container") or template.get("script"), scope)
    for patch in (execution.workflow.spec.get("podSpecPatch"), template.get("podSpecPatch")):
        text = filled(patch, scope) if patch else ""
        try:
            parsed: Json = untrusted.parse_yaml(text, "podSpecPatch", dict[str, Any]) if text.strip() else {}
        except InputError as error:
            raise NodeError(str(error)) from None
        for change in listed(parsed, "containers"):
            if is_object(change) and change.get("name") == "main":
                body = _patched(body, change)
    return body


def _patched(body: Json, change: Json) -> Json:
    """Return a strategic merge: environment variables by name, maps by key, all else replaced."""
    environment = {item["name"]: item for item in [*rows(body, "env"), *rows(change, "env")]}
    result: dict[str, Any] = merged(body, {key: value for key, value in change.items() if key not in ("env", "name")})
    return {**result, "env": list(environment.values())}
