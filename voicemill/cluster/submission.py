"""From a workflow's name and parameters to the object that a cluster runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.cluster.api import GROUP, VERSION, AlreadyThere, Api, Json, NotThere
from voicemill.engine.locations import exists, places_in
from voicemill.engine.places import DESTINATIONS, LOCATIONS, parameters_of
from voicemill.engine.workflow import Workflow, load, of_document, text_of
from voicemill.errors import InputError, UsageError
from voicemill.registry.names import check_speaker

_NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Plan:
    """A workflow as it is on the cluster, or as it is here.

    Attributes:
        name: Of the WorkflowTemplate.
        template: The object.
        workflow: The same, to be asked what its parameters mean.
        inline: Whether the whole object is submitted rather than a reference to the one on the cluster.
    """

    name: str
    template: Json
    workflow: Workflow
    inline: bool


def plan(api: Api, name: str, *, inline: bool) -> Plan:
    """Find a workflow: on the cluster, or with `inline` in this installation.

    Raises:
        NotThere: The cluster has no WorkflowTemplate of the name; says how else it can be run.
    """
    if inline:
        workflow = load(name)
        return Plan(workflow.name, workflow.document, workflow, True)
    try:
        template = api.template(name)
    except NotThere as error:
        raise NotThere(
            f"{error}; install the chart there, or submit with --inline what this installation has"
        ) from error
    return Plan(name, template, of_document(template), False)


def check(plan: Plan, given: dict[str, str]) -> None:
    """Look at parameters before anything is uploaded or submitted.

    Raises:
        UsageError: with everything that is wrong, a line each: names that there are not, values that are not among the
            choices, parameters that are required.
    """
    declared = {item["name"]: item for item in (plan.template["spec"].get("arguments") or {}).get("parameters") or []}
    problems: list[str] = []
    for name, value in given.items():
        item = declared.get(name)
        if item is None:
            problems.append(f"{name}: there is no such parameter; there are {', '.join(declared) or 'none'}")
            continue
        choices = [text_of(choice) for choice in item.get("enum") or []]
        if choices and value not in choices:
            problems.append(f"{name}: {value!r} is not one of {', '.join(choices)}")
    for name, item in declared.items():
        if name not in given and "value" not in item and "default" not in item and "valueFrom" not in item:
            problems.append(f"{name}: is required. {item.get('description', '')}".strip())
    try:
        if "speaker" in given:
            check_speaker(given["speaker"])
    except InputError as error:
        problems.append(f"speaker: {error}")
    if problems:
        raise UsageError("\n  ".join([f"{plan.name} cannot be submitted:", *problems]))


def place_files(
    plan: Plan, given: dict[str, str], in_pods: frozenset[str], upload: Callable[[Path], str]
) -> dict[str, str]:
    """Parameters whose local paths are replaced by where their content is in S3.

    Args:
        plan: The workflow.
        given: Its parameters.
        in_pods: Names of those whose paths are places in the pods (of a volume), not here.
        upload: Uploads a path and returns its address.

    Raises:
        UsageError: A path is written as one of this machine and is not there, or is one to write to.
    """
    read = parameters_of(plan.workflow, LOCATIONS) - in_pods
    written = parameters_of(plan.workflow, DESTINATIONS) - in_pods
    values = dict(given)
    for name, value in given.items():
        if name not in read | written or not value or "\n" in value:
            continue
        if name in read and len(places := places_in(value)) > 1:
            local = [None if "://" in place else Path(place).expanduser() for place in places]
            values[name] = ",".join(upload(path) if path else place for path, place in zip(local, places, strict=True))
            continue
        if "://" in value:
            continue
        path = Path(value).expanduser()
        is_of_here = value.startswith(("./", "../", "~"))
        if name in written:
            if is_of_here or not path.is_absolute():
                raise UsageError(f"{name}: {value} is on this machine; name an s3:// address or a path in the pods")
        elif exists(path):
            values[name] = upload(path)
        elif is_of_here:
            raise UsageError(f"{name}: {value} does not exist")
    return values


def workflow_of(plan: Plan, values: dict[str, str], name: str, labels: dict[str, str] | None = None) -> Json:
    """The Workflow object.

    Args:
        plan: The workflow.
        values: Its parameters.
        name: The run's name.
        labels: Labels beside the template's own.
    """
    arguments = {"parameters": [{"name": key, "value": value} for key, value in values.items()]}
    own = plan.template["metadata"].get("labels") or {}
    labels = {**own, "workflows.argoproj.io/creator-tool": "voicemill", **(labels or {})}
    workflow: dict[str, Any] = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels},
    }
    annotations = plan.template["metadata"].get("annotations")
    if annotations:
        workflow["metadata"]["annotations"] = annotations
    if not plan.inline:
        return {**workflow, "spec": {"workflowTemplateRef": {"name": plan.name}, "arguments": arguments}}
    spec = plan.template["spec"]
    declared = {item["name"]: item for item in (spec.get("arguments") or {}).get("parameters") or []}
    given = [{**item, **({"value": values[key]} if key in values else {})} for key, item in declared.items()]
    return {**workflow, "spec": {**spec, "arguments": {"parameters": given}}}


def create(
    api: Api, plan: Plan, values: dict[str, str], name: str | None, labels: dict[str, str] | None = None
) -> Json:
    """Submit it.

    Args:
        api: The cluster.
        plan: The workflow.
        values: Its parameters.
        name: The run's name; None makes one. Made here and not by the cluster, so that an answer that is lost does not
            leave two runs.
        labels: Labels beside the template's own.

    Raises:
        AlreadyThere: There is a run of that name.
    """
    if name:
        try:
            return api.create(workflow_of(plan, values, name, labels))
        except AlreadyThere as error:
            raise AlreadyThere(f"there is a run {name} already; `voicemill status {name}` shows it") from error
    suffix = "".join(secrets.choice(_NAME_CHARACTERS) for _ in range(6))
    return api.create(workflow_of(plan, values, f"{plan.name}-{suffix}", labels))
