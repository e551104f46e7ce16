"""Nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import NodeProto, helper

Attribute = int | float | list[int]


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attributes: Mapping[str, Attribute],
    domain: str = "",
) -> NodeProto:
    """Return a node that is named after its first output."""
    made = helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain)
    made.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return made
