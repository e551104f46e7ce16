"""Where a workflow's parameters go: through arguments, inputs and their defaults, to the options of its pods."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from voicemill.engine import templating
from voicemill.engine.fields import Json, listed, rows, section
from voicemill.engine.workflow import Templates, Workflow, calls_of, text_of


@dataclass(frozen=True)
class Use:
    """The value of a workflow's parameter, as it is."""

    parameter: str


Source = Use | str | None
"""Where a value comes from: a parameter of the workflow, a text of the workflow's own, or anything else (None)."""


@dataclass(frozen=True)
class PodUse:
    """A pod or suspended node of a workflow, by one way that leads to it.

    Attributes:
        template: Its template.
        inputs: Where the template's input parameters come from.
        options: Where the values of its command line's `--options` come from, by name.
        in_keys: Parameters of which the S3 keys of its outputs are made.
        durations: Parameters that say how long a suspended node waits.
    """

    template: Json
    inputs: Mapping[str, Source]
    options: Mapping[str, Source]
    in_keys: tuple[Use, ...]
    durations: tuple[Use, ...]


def uses_of(workflow: Workflow) -> Iterator[PodUse]:
    """Every pod and suspended node that the entrypoint or the exit handler leads to, and where its values come from.

    Raises:
        UnsupportedWorkflow: for a task whose template does not exist.
    """
    names = [item["name"] for item in rows(section(workflow.spec, "arguments"), "parameters")]
    # Argo gives the entrypoint and the exit handler the workflow's parameters as arguments.
    given: dict[str, Source] = {name: Use(name) for name in names}
    seen: set[tuple[str, str, tuple[tuple[str, Source], ...]]] = set()
    waiting: list[tuple[Templates, Json, Mapping[str, Source]]] = [
        (workflow.templates, workflow.templates.get(workflow.spec[entry]), given)
        for entry in ("entrypoint", "onExit")
        if workflow.spec.get(entry)
    ]
    while waiting:
        templates, template, arguments = waiting.pop(0)
        inputs: dict[str, Source] = {}
        for item in rows(section(template, "inputs"), "parameters"):
            default = item.get("value", item.get("default"))
            own = None if default is None else source_of(text_of(default), {})
            inputs[item["name"]] = arguments.get(item["name"], own)
        way = (templates.name, template["name"], tuple(sorted(inputs.items(), key=lambda pair: pair[0])))
        if way in seen:
            continue
        seen.add(way)
        if not calls_of(template):
            waits = source_of(text_of(section(template, "suspend").get("duration", "")), inputs)
            durations = (waits,) if isinstance(waits, Use) else ()
            yield PodUse(template, inputs, _options(template, inputs), _in_keys(template, inputs), durations)
        for call in calls_of(template):
            if any(True for _ in templating.tags([call.get("template"), call.get("templateRef")])):
                continue  # which template it is shows only when it runs
            passed = {
                item["name"]: source_of(text_of(item.get("value", "")), inputs)
                for item in rows(section(call, "arguments"), "parameters")
            }
            waiting.append((*workflow.resolve(templates, call), passed))


def source_of(text: str, inputs: Mapping[str, Source]) -> Source:
    """Return where a text comes from that may be a tag.

    Args:
        text: As it stands in the workflow.
        inputs: Where the input parameters of the template that it stands in come from.
    """
    name = templating.sole_name(text)
    if name is None:
        return None if any(True for _ in templating.tags(text)) else text
    kind, _, parameter = name.rpartition("parameters.")
    if kind == "workflow.":
        return Use(parameter)
    return inputs.get(parameter) if kind == "inputs." else None


def _options(template: Json, inputs: Mapping[str, Source]) -> dict[str, Source]:
    words = [text_of(word) for word in listed(section(template, "container"), "args")]
    return {
        option.removeprefix("--"): source_of(value, inputs)
        for option, value in itertools.pairwise(words)
        if option.startswith("--")
    }


def _in_keys(template: Json, inputs: Mapping[str, Source]) -> tuple[Use, ...]:
    keys = [section(item, "s3").get("key", "") for item in rows(section(template, "outputs"), "artifacts")]
    sources = (source_of(f"{{{{{tag}}}}}", inputs) for tag in templating.tags(keys))
    return tuple(dict.fromkeys(source for source in sources if isinstance(source, Use)))
