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

import numpy as np
import onnx
from onnx import TensorProto
from torch import Tensor

from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS
from voicemill.gpt_sovits.gpt.model import Block, Gpt
from voicemill.gpt_sovits.onnx.graph_builder import GraphBuilder


def cache_names(layers: int) -> list[tuple[str, str]]:
    """Return the names of the graph's caches: of the input, and of the output that takes its place."""
    return [(f"{side}.{layer}", f"new_{side}.{layer}") for layer in range(layers) for side in ("keys", "values")]


def token_graph(model: Gpt) -> onnx.ModelProto:
    """Return the graph of a token model in single precision."""
    graph = GraphBuilder()
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
    whole, real, cache = TensorProto.INT64, TensorProto.FLOAT, ["B", heads, "S", width // heads]
    caches = cache_names(config.n_layer)
    inputs = [
        ("phones", whole, ["B", "X"]),
        ("bert", real, ["B", BERT_CHANNELS, "X"]),
        ("tokens", whole, ["B", "Y"]),
        ("token_positions", whole, ["B", "Y"]),
        ("written", whole, ["B"]),
        ("visible", TensorProto.BOOL, ["M", 1, "L", "S"]),
        *((before, real, cache) for before, _ in caches),
    ]
    outputs = [("scores", real, ["B", config.vocab_size]), *((after, real, cache) for _, after in caches)]
    return graph.model("tokens", inputs, outputs)


def _text(graph: GraphBuilder, model: Gpt) -> str:
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


def _tokens(graph: GraphBuilder, model: Gpt) -> str:
    """Embed tokens at the positions that are given."""
    table = graph.weight("token_embedding", model.ar_audio_embedding.word_embeddings.weight)
    x = graph.add("Gather", [table, "tokens"], "tokens.embedded")
    alpha, rate_F = model.ar_audio_position.alpha, model.ar_audio_position.rate_F
    return _with_positions(graph, x, "token_positions", "tokens", alpha, rate_F)


def _with_positions(graph: GraphBuilder, x: str, places: str, name: str, alpha: Tensor, rate_F: Tensor) -> str:
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


def _block(graph: GraphBuilder, block: Block, name: str, layer: int, x: str) -> str:
    """Write one transformer layer, the norm after each residual sum."""
    attention = block.self_attn
    qkv = graph.linear(x, f"{name}.qkv", attention.in_proj_weight, attention.in_proj_bias)
    parts = [f"{name}.{part}" for part in ("q", "k", "v")]
    graph.split(qkv, parts, axis=2)
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
    x = graph.norm(graph.add("Add", [x, out], f"{name}.heard"), f"{name}.norm1", block.norm1)
    up = graph.linear(x, f"{name}.up", block.linear1.weight, block.linear1.bias)
    down = graph.linear(
        graph.add("Relu", [up], f"{name}.relu"), f"{name}.down", block.linear2.weight, block.linear2.bias
    )
    return graph.norm(graph.add("Add", [x, down], f"{name}.sum"), f"{name}.norm2", block.norm2)
