"""Reading a workflow as Argo would get it: plain objects from YAML, or from a Hera module by its own `to_yaml`."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import UsageError
from voicemill.core.json_values import is_list, is_object
from voicemill.engine import shape
from voicemill.engine.fields import Json, listed, rows, section
from voicemill.engine.operators import as_text

PACKAGE = "voicemill.workflows"
"""The package whose modules `voicemill run NAME` and `templateRef` find by name."""


_SUFFIXES = (".yaml", ".yml", ".py")


class UnsupportedWorkflow(UsageError):
    """The workflow, or a parameter, cannot be run by this engine; each reason names a field or a template."""


class RunFolderError(UsageError):
    """The run folder is in use, or holds something that the run would replace."""


@dataclass
class Templates:
    """The templates that can call each other by name: those of one Workflow or WorkflowTemplate."""

    name: str
    by_name: dict[str, Json]
    defaults: Json = field(default_factory=dict[str, Any])
    _merged: dict[str, Json] = field(default_factory=dict[str, Json])

    def get(self, name: str) -> Json:
        """Return the template of a name with the defaults; the same object each time, not to be changed."""
        if name not in self.by_name:
            raise UnsupportedWorkflow(
                f"{self.name} has no template named {name!r}; it has {', '.join(self.by_name) or 'none'}."
            )
        if name not in self._merged:
            self._merged[name] = merged(self.defaults, self.by_name[name])
        return self._merged[name]


@dataclass
class Workflow:
    """A workflow to run.

    Attributes:
        name: `metadata.name`, or the stem of `generateName`.
        document: The object as it was read.
        spec: Its spec, after `workflowTemplateRef` is followed.
        templates: Its own templates.
        others: WorkflowTemplates that its `templateRef`s may name, found so far.
        folders: Where more of them are looked for.
    """

    name: str
    document: Json
    spec: Json
    templates: Templates
    annotations: Json
    others: dict[str, Json]
    folders: list[Path]

    def resolve(self, scope: Templates, holder: Json) -> tuple[Templates, Json]:
        """Return the template that a task or step calls, and the scope that its own calls resolve in."""
        if "inline" in holder:
            return scope, merged(scope.defaults, {"name": holder.get("name", ""), **holder["inline"]})
        if "templateRef" in holder:
            scope = templates_of(self.named(holder["templateRef"]["name"]))
            # templateDefaults are the running workflow's, whichever WorkflowTemplate a template comes from.
            scope.defaults = self.templates.defaults
            return scope, scope.get(holder["templateRef"]["template"])
        return scope, scope.get(holder["template"])

    def named(self, name: str) -> Json:
        """Return the WorkflowTemplate of a name.

        Raises:
            UnsupportedWorkflow: if no file beside the workflow, nor in the workflows package, defines it.
        """
        if name not in self.others:
            for document in _documents_named(name, self.folders):
                self.others.setdefault(document["metadata"].get("name", ""), document)
        if name not in self.others:
            places = ", ".join(map(str, self.folders))
            raise UnsupportedWorkflow(f"templateRef names the WorkflowTemplate {name!r}, which is not in {places}.")
        return self.others[name]


def load(target: str) -> Workflow:
    """Read a workflow.

    Args:
        target: A YAML file, a Python file with Hera objects, or the name of a workflow of the workflows package,
            such as `clone-voice`.

    Raises:
        UnsupportedWorkflow: if the workflow does not exist; the message lists those that there are.
    """
    path = Path(target)
    if path.suffix not in _SUFFIXES or not path.is_file():
        if path.suffix in _SUFFIXES or "/" in target:
            raise UnsupportedWorkflow(f"The workflow file {target} does not exist.")
        path = _find(target)
    documents = read(path)
    runnable = [document for document in documents if document["spec"].get("entrypoint") or _reference(document)]
    chosen = [document for document in runnable if document["kind"] == "Workflow"] or runnable
    chosen = [document for document in chosen if document["metadata"].get("name") == target] or chosen
    if not chosen:
        raise UnsupportedWorkflow(f"{path} defines no workflow with an entrypoint.")
    others = {other["metadata"].get("name", ""): other for other in documents if other["kind"] == "WorkflowTemplate"}
    folders = list(dict.fromkeys([path.parent, *_package_folders()]))
    return of_document(chosen[0], others=others, folders=folders, stem=path.stem)


def of_document(
    document: Json, *, others: dict[str, Json] | None = None, folders: list[Path] | None = None, stem: str = "workflow"
) -> Workflow:
    """Return a workflow from its object.

    Args:
        document: A Workflow or WorkflowTemplate.
        others: WorkflowTemplates that it may name.
        folders: Where more of them are looked for; by default the workflows package.
        stem: Its name where it has none.
    """
    metadata = document["metadata"]
    workflow = Workflow(
        name=metadata.get("name") or metadata.get("generateName", stem).rstrip("-"),
        document=document,
        spec=document["spec"],
        templates=templates_of(document),
        annotations=section(metadata, "annotations"),
        others=others or {},
        folders=folders or _package_folders(),
    )
    reference = _reference(document)
    if reference:
        base = workflow.named(reference["name"])
        workflow.spec = _over(base["spec"], document["spec"])
        workflow.templates = templates_of({**base, "spec": workflow.spec})
        workflow.annotations = {**section(base["metadata"], "annotations"), **workflow.annotations}
    return workflow


def read(path: Path) -> list[Json]:
    """Return the Workflow and WorkflowTemplate objects of a file."""
    text = "\n---\n".join(_compiled(path)) if path.suffix == ".py" else untrusted.read_bytes(path)
    documents = [each for each in untrusted.parse_yaml_documents(text, path) if is_object(each)]
    kinds = ("Workflow", "WorkflowTemplate")
    found: list[Json] = [
        {"metadata": {}, **document} for document in documents if document.get("kind") in kinds and document.get("spec")
    ]
    for document in found:
        problem = shape.problem(document)
        if problem:
            raise UnsupportedWorkflow(f"{path} is not a workflow: {problem}.")
    return found


def merged(base: Any, over: Any) -> Any:
    """`over` laid upon `base`, maps merged key by key and everything else replaced."""
    if is_object(base) and is_object(over):
        return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return copy.deepcopy(base if over is None else over)


def templates_of(document: Json) -> Templates:
    """Return the templates of a Workflow or WorkflowTemplate object."""
    metadata, spec = document["metadata"], document["spec"]
    name = metadata.get("name") or metadata.get("generateName", "workflow").rstrip("-")
    by_name = {template["name"]: template for template in rows(spec, "templates")}
    return Templates(name, by_name, section(spec, "templateDefaults"))


def known() -> dict[str, Path]:
    """Return the workflows that can be run by name: file name with hyphens -> file."""
    found: dict[str, Path] = {}
    for folder in _package_folders():
        for path in sorted(folder.glob("*")):
            if path.suffix in _SUFFIXES and not path.stem.startswith("_"):
                found.setdefault(path.stem.replace("_", "-"), path)
    return found


def text_of(value: Any) -> str:
    """Return a parameter's value as the text that Argo makes of it."""
    return value if isinstance(value, str) else as_text(value)


def calls_of(template: Json) -> list[Json]:
    """Return the tasks or steps of a template."""
    return [*rows(section(template, "dag"), "tasks"), *(step for group in groups_of(template) for step in group)]


def groups_of(template: Json) -> list[list[Json]]:
    """Return the steps of a template, of which those of a group start together; one alone may stand for its group."""
    return [group if is_list(group) else [group] for group in listed(template, "steps")]


def exit_name(workflow: Workflow) -> str:
    """Return the name of the exit handler's node and folder: its template's, unless a task of the entrypoint has it."""
    handler, entrypoint = workflow.spec["onExit"], workflow.spec["entrypoint"]
    taken = {call["name"] for call in calls_of(workflow.templates.get(entrypoint))} | {entrypoint}
    return f"{handler}.onExit" if handler in taken else handler


def arguments(workflow: Workflow, given: dict[str, str]) -> dict[str, str]:
    """Return the workflow's parameters: those given over its own values.

    Raises:
        UnsupportedWorkflow: for a parameter that it does not know, lacks, or of which the value is not one of its enum.
    """
    declared = {item["name"]: item for item in rows(section(workflow.spec, "arguments"), "parameters")}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        options = ", ".join(declared) or "none"
        raise UnsupportedWorkflow(
            f"{workflow.name} has no parameter {', '.join(unknown)}; its parameters are: {options}."
        )
    values: dict[str, str] = {}
    for name, item in declared.items():
        value = given.get(name, item.get("value", item.get("default")))
        if value is None:
            raise UnsupportedWorkflow(f"{workflow.name} needs a value for its parameter {name}: add -p {name}=VALUE.")
        values[name] = text_of(value)
        choices = [text_of(choice) for choice in listed(item, "enum")]
        if choices and values[name] not in choices:
            raise UnsupportedWorkflow(f"The parameter {name} is one of {', '.join(choices)}, not {values[name]!r}.")
    return values


def _reference(document: Json) -> Json | None:
    return document["spec"].get("workflowTemplateRef")


def _over(base: Json, spec: Json) -> Json:
    """Return a Workflow's spec over that of the WorkflowTemplate it refers to; parameters are replaced one by one."""
    joined = {**base, **{key: value for key, value in spec.items() if key not in ("arguments", "workflowTemplateRef")}}
    parameters: dict[str, Json] = {}
    for source in (base, spec):
        for item in rows(section(source, "arguments"), "parameters"):
            parameters[item["name"]] = {**parameters.get(item["name"], {}), **item}
    return {**joined, "arguments": {"parameters": list(parameters.values())}}


def _find(name: str) -> Path:
    workflows = known()
    if name not in workflows:
        raise UnsupportedWorkflow(f"Unknown workflow {name!r}; available: {', '.join(workflows) or 'none'}.")
    return workflows[name]


def _package_folders() -> list[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def _documents_named(name: str, folders: list[Path]) -> Iterator[Json]:
    """Objects of the file that is called like the WorkflowTemplate, where there is one, else of every file."""
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES]
    fitting = [path for path in files if path.stem.replace("_", "-") == name]
    for path in fitting or [path for path in files if not path.stem.startswith("_")]:
        yield from (document for document in read(path) if document["kind"] == "WorkflowTemplate")


def _compiled(path: Path) -> Iterator[str]:
    from hera.workflows import Workflow as HeraWorkflow

    module_name = path.stem
    if path.parent in _package_folders():
        module = importlib.import_module(f"{PACKAGE}.{module_name}")
    else:
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    for value in list(vars(module).values()):
        if isinstance(value, HeraWorkflow):
            yield str(value.to_yaml())  # pyright: ignore[reportUnknownMemberType]: its options are untyped
