"""The token model as one ONNX graph, for reading a text and for every step after it.

The graph is written node by node and not traced, because its cache has to be written in place: `TensorScatter` puts the
keys and values of a pass into buffers of fixed capacity, and where a runtime gives input and output the same memory
nothing is copied. All operators are of ONNX itself (opset 24).

Inputs (B rows, X phonemes, Y tokens, L = X + Y positions of this pass, S capacity of the cache, H heads, d width):
    phones          `[B, X]` int64; X is 0 in a step
    bert            `[B, 1024, X]` float32
    tokens          `[B, Y]` int64: the prompt, or the last token in a step
    token_positions `[B, Y]` int64: their places among the row's tokens
    written         `[B]` int64: how many positions of each row's cache are filled
    visible         `[B or 1, 1, L, S]` bool: which positions of the cache a position of this pass sees
    keys.N, values.N `[B, H, S, d]` float32 for each layer N
Outputs:
    scores          `[B, V]` float32: of the token that follows the last position
    new_keys.N, new_values.N: the same caches, written

Names of shapes: D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS
from voicemill.gpt_sovits.gpt.model import Block, Gpt
from voicemill.gpt_sovits.onnx.nodes import Attribute, node

OPSET = 24
IR_VERSION = 11


def cache_names(layers: int) -> list[tuple[str, str]]:
    """Return the names of the graph's caches: of the input, and of the output that takes its place."""
    return [(f"{side}.{layer}", f"new_{side}.{layer}") for layer in range(layers) for side in ("keys", "values")]


def token_graph(model: Gpt) -> onnx.ModelProto:
    """Return the graph of a token model in single precision."""
    graph = _Graph()
    config = model.config
    heads, width = config.head, config.hidden_dim
    graph.constant("per_head", np.array([0, 0, heads, width // heads]))
    graph.constant("merged", np.array([0, 0, width]))
    graph.constant("last", np.array(-1))
    x = graph.add("Concat", [_text(graph, model), _tokens(graph, model)], "embedded", axis=1)
    for layer, block in enumerate(model.h["layers"]):  # type: ignore[arg-type]
        x = _block(graph, block, f"layer.{layer}", layer, x)
    x = graph.add("Gather", [x, "last"], "decides", axis=1)
    graph.add("MatMul", [x, graph.weight("predict", model.ar_predict_layer.weight.T)], "scores")
    return graph.model(config.n_layer, heads, width // heads, config.vocab_size)


class _Graph:
    """Nodes and weights of a graph that is being written."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> str:
        self.nodes.append(node(operator, inputs, [output], attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: Tensor) -> str:
        return self.constant(name, value.detach().float().cpu().contiguous().numpy())

    def linear(self, x: str, name: str, weight_OI: Tensor, bias_O: Tensor | None) -> str:
        product = self.add("MatMul", [x, self.weight(f"{name}.weight", weight_OI.T)], f"{name}.product")
        if bias_O is None:
            return product
        return self.add("Add", [product, self.weight(f"{name}.bias", bias_O)], f"{name}.out")

    def model(self, layers: int, heads: int, head_width: int, vocabulary: int) -> onnx.ModelProto:
        whole, real = TensorProto.INT64, TensorProto.FLOAT
        cache = ["B", heads, "S", head_width]
        inputs = [
            helper.make_tensor_value_info("phones", whole, ["B", "X"]),
            helper.make_tensor_value_info("bert", real, ["B", BERT_CHANNELS, "X"]),
            helper.make_tensor_value_info("tokens", whole, ["B", "Y"]),
            helper.make_tensor_value_info("token_positions", whole, ["B", "Y"]),
            helper.make_tensor_value_info("written", whole, ["B"]),
            helper.make_tensor_value_info("visible", TensorProto.BOOL, ["M", 1, "L", "S"]),
        ]
        outputs = [helper.make_tensor_value_info("scores", real, ["B", vocabulary])]
        for before, after in cache_names(layers):
            inputs.append(helper.make_tensor_value_info(before, real, cache))
            outputs.append(helper.make_tensor_value_info(after, real, cache))
        graph = helper.make_graph(self.nodes, "tokens", inputs, outputs, self.weights)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="voicemill",
        )


def _text(graph: _Graph, model: Gpt) -> str:
    """Embed phonemes and their BERT rows; their positions are counted from the first."""
    table = graph.weight("phone_embedding", model.ar_text_embedding.word_embeddings.weight)
    phones = graph.add("Gather", [table, "phones"], "phones.embedded")
    rows = graph.add("Transpose", ["bert"], "bert.rows", perm=[0, 2, 1])
    x = graph.add("Add", [phones, graph.linear(rows, "bert", model.bert_proj.weight, model.bert_proj.bias)], "text")
    ones = graph.constant("one", np.array(1))
    shape = graph.add("Shape", ["phones"], "phones.shape")
    count = graph.add("Gather", [shape, ones], "phones.count")
    places = graph.add("Range", [graph.constant("zero", np.array(0)), count, ones], "phones.places")
    return _with_positions(graph, x, places, "text", model.ar_text_position.alpha, model.ar_text_position.rate_F)


def _tokens(graph: _Graph, model: Gpt) -> str:
    """Embed tokens at the positions that are given."""
    table = graph.weight("token_embedding", model.ar_audio_embedding.word_embeddings.weight)
    x = graph.add("Gather", [table, "tokens"], "tokens.embedded")
    alpha, rate_F = model.ar_audio_position.alpha, model.ar_audio_position.rate_F
    return _with_positions(graph, x, "token_positions", "tokens", alpha, rate_F)


def _with_positions(graph: _Graph, x: str, places: str, name: str, alpha: Tensor, rate_F: Tensor) -> str:
    """Add sine codes: sine and cosine of place * rate, alternating."""
    D = 2 * len(rate_F)
    as_float = graph.add("Cast", [places], f"{name}.float", to=TensorProto.FLOAT)
    column = graph.add("Unsqueeze", [as_float, graph.constant(f"{name}.axis", np.array([-1]))], f"{name}.column")
    angle = graph.add("Mul", [column, graph.weight(f"{name}.rate", rate_F.repeat_interleave(2))], f"{name}.angle")
    # A cosine is a sine a quarter turn later; computed apart, because adding to large angles would round them.
    is_cosine = graph.constant(f"{name}.odd", np.arange(D) % 2 == 1)
    sine, cosine = graph.add("Sin", [angle], f"{name}.sin"), graph.add("Cos", [angle], f"{name}.cos")
    code = graph.add("Where", [is_cosine, cosine, sine], f"{name}.code")
    scaled = graph.add("Mul", [code, graph.weight(f"{name}.alpha", alpha)], f"{name}.scaled")
    return graph.add("Add", [x, scaled], f"{name}.placed")


def _block(graph: _Graph, block: Block, name: str, layer: int, x: str) -> str:
    """Write one transformer layer, the norm after each residual sum."""
    attention = block.self_attn
    qkv = graph.linear(x, f"{name}.qkv", attention.in_proj_weight, attention.in_proj_bias)
    parts = [f"{name}.{part}" for part in ("q", "k", "v")]
    graph.nodes.append(node("Split", [qkv], parts, {"axis": 2, "num_outputs": 3}))
    q, k, v = (
        graph.add(
            "Transpose", [graph.add("Reshape", [part, "per_head"], f"{part}.apart")], f"{part}.heads", perm=[0, 2, 1, 3]
        )
        for part in parts
    )
    for side, new in (("keys", k), ("values", v)):
        graph.add("TensorScatter", [f"{side}.{layer}", new, "written"], f"new_{side}.{layer}", axis=2)
    read = graph.add("Attention", [q, f"new_keys.{layer}", f"new_values.{layer}", "visible"], f"{name}.read")
    joined = graph.add("Transpose", [read], f"{name}.joined", perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", [joined, "merged"], f"{name}.flat")
    out = graph.linear(flat, f"{name}.out", attention.out_proj.weight, attention.out_proj.bias)
    x = _added(graph, x, out, f"{name}.norm1", block.norm1)
    up = graph.linear(x, f"{name}.up", block.linear1.weight, block.linear1.bias)
    down = graph.linear(
        graph.add("Relu", [up], f"{name}.relu"), f"{name}.down", block.linear2.weight, block.linear2.bias
    )
    return _added(graph, x, down, f"{name}.norm2", block.norm2)


def _added(graph: _Graph, x: str, change: str, name: str, norm: object) -> str:
    total = graph.add("Add", [x, change], f"{name}.sum")
    scale, shift = graph.weight(f"{name}.scale", norm.weight), graph.weight(f"{name}.shift", norm.bias)  # type: ignore[attr-defined]
    epsilon = float(norm.eps)  # type: ignore[attr-defined]
    return graph.add("LayerNormalization", [total, scale, shift], f"{name}.out", axis=-1, epsilon=epsilon)
