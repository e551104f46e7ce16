"""From a workflow's name and parameters to the object that a cluster runs."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from voicemill.cluster import argo_text
from voicemill.cluster.api import GROUP, VERSION, AlreadyThere, Api, Json, NotConfigured, NotThere
from voicemill.contract.values import shown
from voicemill.contract.workflow_parameters import Here, Parameters, Problem, parameters_of, refuse
from voicemill.core.errors import TryAgain
from voicemill.core.text_or_path import is_there, path_in, resolved
from voicemill.engine.workflow import UnsupportedWorkflow, Workflow, load, of_document

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

    @cached_property
    def parameters(self) -> Parameters:
        """What its parameters are, by the stages that they reach."""
        return parameters_of(self.workflow)


def plan(api: Api, name: str) -> Plan:
    """Find a workflow on the cluster.

    Raises:
        NotThere: The cluster has no WorkflowTemplate of the name; says how else it can be run.
    """
    try:
        template = api.template(name)
    except NotThere as error:
        raise NotThere(
            f"{error}; install the chart there, or submit with --inline what this installation has"
        ) from error
    return Plan(name, template, of_document(template), False)


def plan_here(name: str) -> Plan:
    """Find a workflow in this installation, or in a file.

    Raises:
        UnsupportedWorkflow: There is none.
    """
    workflow = load(name)
    return Plan(workflow.name, workflow.document, workflow, True)


@contextmanager
def checking_without_cluster(name: str, check: Callable[[Plan], object]) -> Iterator[None]:
    """Where the cluster cannot be asked what a workflow is, check its parameters by what this installation has.

    Mistakes in parameters are reported first, also when the cluster cannot be reached; only then is its error raised.

    Args:
        name: The workflow.
        check: Raises what is wrong with the parameters.
    """
    try:
        yield
    except (NotConfigured, TryAgain):
        try:
            here = None if Path(name).is_file() else plan_here(name)
        except UnsupportedWorkflow:  # it is a workflow of the cluster alone
            here = None
        if here is not None:
            check(here)
        raise


def check(plan: Plan, given: dict[str, str], in_pods: frozenset[str] = frozenset()) -> None:
    """Look at parameters before anything is uploaded or submitted.

    Args:
        plan: The workflow.
        given: Its parameters.
        in_pods: Names of those whose paths are places in the pods (of a volume), not here.

    Raises:
        UsageError: with everything that is wrong, a line each, which begins with the parameter's name.
    """
    problems = plan.parameters.problems(given, Here(elsewhere=in_pods))
    refuse(plan.name, [*problems, *problems_of_transport(plan, given, in_pods)])


def place_files(
    plan: Plan, given: dict[str, str], in_pods: frozenset[str], upload: Callable[[Path], str]
) -> dict[str, str]:
    """Return parameters whose local paths are replaced by where their content is in S3.

    A text that Argo would change, where a file can take its place, goes as a file.

    Args:
        plan: The workflow.
        given: Its parameters, as `check` let them pass.
        in_pods: Names of those whose paths are places in the pods (of a volume), not here.
        upload: Uploads a path and returns its address.
    """
    read = plan.parameters.places()
    values = dict(given)
    for name, value in given.items():
        if name not in read or name in in_pods or not value:
            continue
        place = read[name].place
        assert place is not None
        if place.otherwise == "text":
            values[name] = _placed_text(value, upload)
            continue
        parts = [part.strip() for part in value.split(",")] if place.is_list else [value]
        values[name] = ",".join(_placed(part, upload) for part in parts)
    return values


def _placed(part: str, upload: Callable[[Path], str]) -> str:
    path = resolved(part)
    return upload(path) if "://" not in part and is_there(path) else part


def _placed_text(value: str, upload: Callable[[Path], str]) -> str:
    path = path_in(value)
    if path is not None:
        return path if "://" in path else upload(Path(path))
    if not argo_text.problem_of(value):
        return value
    with tempfile.TemporaryDirectory(prefix="voicemill-text-") as folder:
        file = Path(folder) / "text.txt"
        file.write_text(value, encoding="utf-8", newline="")
        return upload(file)


def problems_of_transport(plan: Plan, given: dict[str, str], in_pods: frozenset[str]) -> Iterator[Problem]:
    """Return why values that are right for the workflow cannot be brought into its pods; arguments as of `check`."""
    read, written = plan.parameters.places(), plan.parameters.places(written=True)
    for name, value in given.items():
        is_of_here = value.startswith(("./", "../", "~")) or not Path(value).is_absolute()
        if name in written and name not in in_pods and value and "://" not in value and is_of_here:
            yield Problem(name, f"{value} is on this machine; give an s3:// address or a path in the pods")
        place = read[name].place if name in read else None
        travels_as_a_file = place is not None and (place.otherwise == "text" or is_there(resolved(value)))
        if not travels_as_a_file and (problem := argo_text.problem_of(value)):
            yield Problem(name, f"{shown(value)} {problem}")


def workflow_of(plan: Plan, values: dict[str, str], name: str, labels: dict[str, str] | None = None) -> Json:
    """Return the Workflow object.

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
            raise AlreadyThere(f"the run {name} already exists; `voicemill status {name}` shows it") from error
    suffix = "".join(secrets.choice(_NAME_CHARACTERS) for _ in range(6))
    return api.create(workflow_of(plan, values, f"{plan.name}-{suffix}", labels))
