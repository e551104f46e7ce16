"""Smaller weights of a graph.

fp16        in half precision, cast to single where the graph is loaded
int8, int4  of products: in blocks of 32 with a scale each, as ONNX Runtime's MatMulNBits multiplies them. Rows of
            activations are quantized apart, so that a line's tokens do not depend on the lines beside it.

Shapes: I inputs, O outputs, N blocks of a row.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from voicemill.gpt_sovits.onnx.graph_builder import node

Weights = Literal["fp32", "fp16", "int8", "int4"]
"""How the weights of a graph are kept; activations are in single precision where products are not in blocks."""
BLOCK = 32
CONTRIB = "com.microsoft"
INT8_ACTIVATIONS = 4
"""`accuracy_level` of MatMulNBits: activations are rounded to int8 in blocks too."""
_BITS = {"int8": 8, "int4": 4}
_LARGEST = float(np.finfo(np.float16).max)


def in_weights(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """Return a graph of single precision with its weights kept so; int8 and int4 have what is not in blocks in fp16."""
    if weights == "fp32":
        return model
    return halve(model if weights == "fp16" else quantize(model, _BITS[weights]))


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with its weights in half precision, which are cast to single when it is loaded.

    The file is half as large, and what it computes is rounded no further. Short vectors (norms, biases) and the scales
    of blocks stay as they are.

    Args:
        model: A graph; it stays as it is.
    """
    scales = {name for each in model.graph.node if each.domain == CONTRIB for name in each.input}
    weights, casts = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or tensor.name in scales:
            weights.append(tensor)
            continue
        half = f"{tensor.name}.fp16"
        value = np.clip(numpy_helper.to_array(tensor), -_LARGEST, _LARGEST)
        weights.append(numpy_helper.from_array(value.astype(np.float16), half))
        casts.append(node("Cast", [half], [tensor.name], {"to": TensorProto.FLOAT}))
    return _with(model, [*casts, *model.graph.node], weights)


def quantize(model: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """Return the graph with the weight of every product in blocks.

    Args:
        model: A graph whose products have constant weights `[I, O]`; others, and those whose inputs do not divide into
            blocks, stay as they are.
        bits: 8 or 4.

    Raises:
        ValueError: If there are no kernels for so many bits.
    """
    if bits not in (4, 8):
        raise ValueError(f"weights can have 4 or 8 bits, not {bits}")
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes, made, gone = [], [], set()
    for each in model.graph.node:
        tensor = weights.get(each.input[1]) if each.op_type == "MatMul" else None
        if tensor is None or tensor.dims[0] % BLOCK:
            nodes.append(each)
            continue
        packed, scales = pack(numpy_helper.to_array(tensor), bits)
        names = [f"{tensor.name}.int{bits}", f"{tensor.name}.scales"]
        made += [numpy_helper.from_array(value, name) for value, name in zip((packed, scales), names, strict=True)]
        gone.add(tensor.name)
        inputs, outputs = tensor.dims
        form = {"K": inputs, "N": outputs, "bits": bits, "block_size": BLOCK, "accuracy_level": INT8_ACTIVATIONS}
        nodes.append(node("MatMulNBits", [each.input[0], *names], each.output, form, CONTRIB))
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in gone]
    return _with(model, nodes, [*kept, *made])


def _with(model: onnx.ModelProto, nodes: list[NodeProto], weights: list[TensorProto]) -> onnx.ModelProto:
    """Return a graph of the same inputs, outputs and notes."""
    graph = helper.make_graph(nodes, model.graph.name, model.graph.input, model.graph.output, weights)
    opsets = {each.domain: each for each in (*model.opset_import, helper.make_opsetid(CONTRIB, 1))}
    made = helper.make_model(
        graph, opset_imports=list(opsets.values()), ir_version=model.ir_version, producer_name=model.producer_name
    )
    made.metadata_props.extend(model.metadata_props)
    return made


def pack(weight_IO: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Round a weight to so many bits around a zero point of half the range.

    Returns:
        Bytes `[O, N, 32 * bits / 8]`, and the scales of the blocks `[O * N]`, float32.
    """
    inputs, outputs = weight_IO.shape
    blocks = np.ascontiguousarray(weight_IO.T).reshape(outputs, inputs // BLOCK, BLOCK)
    zero = 1 << (bits - 1)
    scales = np.abs(blocks).max(-1) / (zero - 1)
    steps = blocks / np.where(scales == 0, 1, scales)[..., None]
    levels = (np.clip(np.round(steps), -zero, zero - 1) + zero).astype(np.uint8)
    if bits == 4:
        levels = levels[..., 0::2] | (levels[..., 1::2] << 4)
    return levels, scales.astype(np.float32).ravel()
