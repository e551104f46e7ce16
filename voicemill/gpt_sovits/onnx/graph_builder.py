"""Writing a graph node by node: each is named after what it gives, and every result is given once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 24
IR_VERSION = 11
PRODUCER = "voicemill"

Attribute = int | float | list[int]
Inputs = Sequence[tuple[str, int, list[int | str]]]
"""Name, element type and shape; a string is a length that may be any."""


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


class GraphBuilder:
    """Nodes and weights of a graph that is being written. All operators are of ONNX itself."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> str:
        """Add a node of one output, whose name is returned."""
        self.nodes.append(node(operator, inputs, [output], attributes))
        return output

    def split(self, x: str, outputs: Sequence[str], axis: int) -> None:
        """Split a result into parts of the same size."""
        self.nodes.append(node("Split", [x], outputs, {"axis": axis, "num_outputs": len(outputs)}))

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant, whose name is returned."""
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: Tensor) -> str:
        """Add a weight in single precision, whose name is returned."""
        return self.constant(name, value.detach().float().cpu().contiguous().numpy())

    def linear(self, x: str, name: str, weight_OI: Tensor, bias_O: Tensor | None) -> str:
        """Add a layer, by its product with a constant `[I, O]`."""
        product = self.add("MatMul", [x, self.weight(f"{name}.weight", weight_OI.T)], f"{name}.product")
        if bias_O is None:
            return product
        return self.add("Add", [product, self.weight(f"{name}.bias", bias_O)], f"{name}.out")

    def norm(self, x: str, name: str, norm: nn.LayerNorm) -> str:
        """Add a layer norm over the last axis."""
        given = [x, self.weight(f"{name}.scale", norm.weight), self.weight(f"{name}.shift", norm.bias)]
        return self.add("LayerNormalization", given, f"{name}.out", axis=-1, epsilon=float(norm.eps))

    def model(
        self, name: str, inputs: Inputs, outputs: Inputs, notes: Mapping[str, str] | None = None
    ) -> onnx.ModelProto:
        """Return what has been written.

        Args:
            name: What the graph is called.
            inputs: What it takes.
            outputs: What it gives.
            notes: For who runs it: `session.metadata`.
        """
        given, made = ([helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs))
        graph = helper.make_graph(self.nodes, name, given, made, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name=PRODUCER
        )
        helper.set_model_props(model, dict(notes or {}))
        return model
