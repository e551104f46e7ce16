"""Whether a stage's pod can run on a node, as the scheduler would see it on an empty node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from voicemill.contract.template import GPU_MEMORY_LABEL, GPU_RESOURCE, MORE_GPU_MEMORY
from voicemill.engine.slots import quantity
from voicemill.engine.templating import fill

Json = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """A node.

    Attributes:
        name: Its name.
        labels: Its labels.
        taints: Keys and effects of the taints that keep pods away.
        cpu: Cores that pods may have.
        memory: Bytes that pods may have.
        devices: What pods may have of a vendor's devices, such as GPUs, by the name of the resource.
    """

    name: str
    labels: dict[str, str]
    taints: tuple[tuple[str, str], ...]
    cpu: float
    memory: float
    devices: dict[str, int]

    @classmethod
    def of(cls, node: Json) -> Machine:
        room = node["status"].get("allocatable") or {}
        taints = (node.get("spec") or {}).get("taints") or []
        return cls(
            node["metadata"]["name"],
            node["metadata"].get("labels") or {},
            tuple((taint["key"], taint["effect"]) for taint in taints if taint["effect"] != "PreferNoSchedule"),
            quantity(room.get("cpu", "0")),
            quantity(room.get("memory", "0")),
            _devices(room),
        )

    @property
    def product(self) -> str:
        return self.labels.get("nvidia.com/gpu.product", "")

    def __str__(self) -> str:
        memory = self.labels.get(GPU_MEMORY_LABEL)
        with_memory = f" with {int(memory) / 1024:.1f} GiB" if memory else ""
        shares = {name: count for name, count in self.devices.items() if name != GPU_RESOURCE and count}
        of_other_names = "".join(f", {count} {name}" for name, count in shares.items())
        count = self.devices.get(GPU_RESOURCE, 0)
        return f"{self.name} has {count} {self.product or 'GPU'}{with_memory}{of_other_names}"


@dataclass(frozen=True)
class Need:
    """What a stage's pod asks of a node.

    Attributes:
        stage: Its name, and with which values of a parameter, where that makes a difference.
        cpu: Cores.
        memory: Bytes.
        devices: Of a vendor's devices, by the name of the resource.
        expressions: Of the node affinity that is required; all must hold.
        tolerated: Keys of taints that it may run beside.
    """

    stage: str
    cpu: float
    memory: float
    devices: dict[str, int]
    expressions: tuple[Json, ...]
    tolerated: frozenset[str]

    @classmethod
    def all_of(cls, template: Json) -> list[Need]:
        """Return what a template's pods ask for: one answer, or two where a parameter decides how large a GPU is."""
        more: Json = json.loads((template["metadata"].get("annotations") or {}).get(MORE_GPU_MEMORY, "{}"))
        if not more:
            return [cls.of(template)]
        name = f"{template['name']} ({more['parameter']} {', '.join(more['values'])})"
        variable = f"inputs.parameters.{more['parameter']}"
        larger = {**fill(template, {variable: more["values"][0]}, final=False), "name": name}
        return [cls.of(fill(template, {variable: ""}, final=False)), cls.of(larger)]

    @classmethod
    def of(cls, template: Json) -> Need:
        """Return what the pods of a template without tags in its affinity ask for."""
        resources = template["container"].get("resources") or {}
        asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        affinity = (template.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
        terms = required.get("nodeSelectorTerms") or [{}]
        return cls(
            template["name"],
            quantity(str(asked.get("cpu", "0"))),
            quantity(str(asked.get("memory", "0"))),
            _devices(asked),
            tuple(terms[0].get("matchExpressions") or []),
            frozenset(item.get("key", "") for item in template.get("tolerations") or []),
        )

    def refusal(self, machine: Machine) -> str:
        """Return why it does not fit a node, in words; empty if it does."""
        for key, effect in machine.taints:
            if not self.tolerated & {key, ""}:
                return f"it is tainted {key}:{effect}"
        for name, count in self.devices.items():
            found = machine.devices.get(name, 0)
            if count > found:
                kind = "GPU" if name == GPU_RESOURCE else name
                return f"it has {found} of {count} {kind}" if found else f"it has no {kind}"
        for expression in self.expressions:
            if problem := _unfulfilled(expression, machine.labels):
                return problem
        if self.cpu > machine.cpu:
            return f"it has {machine.cpu:g} cores for pods, {self.cpu:g} are asked for"
        if self.memory > machine.memory:
            return f"it has {machine.memory / 2**30:.1f} GiB for pods, {self.memory / 2**30:g} are asked for"
        return ""


def _devices(resources: Json) -> dict[str, int]:
    """Return the resources that have a vendor's name before a slash, other than large pages and attachable volumes."""
    return {name: int(count) for name, count in resources.items() if "/" in name and str(count).isdigit()}


def _unfulfilled(expression: Json, labels: dict[str, str]) -> str:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    value = labels.get(key)
    if operator == "DoesNotExist":
        return f"it has the label {key}" if value is not None else ""
    if operator == "NotIn":
        return f"its label {key} is {value}" if value in values else ""
    if value is None:
        hint = " (from GPU feature discovery; the chart can do without it)" if key == GPU_MEMORY_LABEL else ""
        return f"it has no label {key}{hint}"
    if operator in ("Gt", "Lt"):
        number, bound = int(value), int(values[0])
        holds = number > bound if operator == "Gt" else number < bound
        return "" if holds else f"its label {key} is {value}, not {'above' if operator == 'Gt' else 'below'} {bound}"
    return "" if operator == "Exists" or value in values else f"its label {key} is {value}"
