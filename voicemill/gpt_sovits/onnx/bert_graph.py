"""Chinese BERT as an ONNX graph, up to the layer whose output the token model reads.

Input (T tokens, [CLS] and [SEP] among them):
    tokens  `[1, T]` int64
Output:
    rows    `[1, T, 1024]` float32: hidden states of the third layer from the end

How many tokens it reads at most is in the graph's metadata, as `positions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import onnx
from onnx import TensorProto
from torch import nn

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.onnx.graph_builder import GraphBuilder

if TYPE_CHECKING:
    from transformers import BertModel

ACTIVATION = "gelu"


def bert_graph(model: BertModel) -> onnx.ModelProto:
    """Return the graph of a model without the layers that are not needed (`features.bert.load`), in single precision.

    Raises:
        InputError: Its layers are not those of chinese-roberta-wwm-ext-large.
    """
    config = model.config
    if config.hidden_act != ACTIVATION:
        raise InputError(f"BERT's activation is {config.hidden_act!r}; graphs are written of models with {ACTIVATION}")
    graph = GraphBuilder()
    x = _embedded(graph, model.embeddings)
    for number, layer in enumerate(model.encoder.layer):
        x = _layer(graph, layer, f"layer.{number}", config.num_attention_heads, x)
    graph.add("Identity", [x], "rows")
    inputs = [("tokens", TensorProto.INT64, [1, "T"])]
    outputs = [("rows", TensorProto.FLOAT, [1, "T", config.hidden_size])]
    return graph.model("bert", inputs, outputs, {"positions": str(config.max_position_embeddings)})


def _embedded(graph: GraphBuilder, embeddings: nn.Module) -> str:
    """Embed tokens at their positions, all of them of the first sentence."""
    words, positions, types = (
        cast(nn.Embedding, getattr(embeddings, f"{name}_embeddings")).weight
        for name in ("word", "position", "token_type")
    )
    for name, value in (("zero", 0), ("one", 1)):
        graph.constant(name, np.array([value]))
    x = graph.add("Gather", [graph.weight("words", words), "tokens"], "tokens.embedded")
    count = graph.add(
        "Slice", [graph.add("Shape", ["tokens"], "shape"), "one", graph.constant("two", np.array([2]))], "count"
    )
    places = graph.add("Slice", [graph.weight("positions", positions + types[0]), "zero", count, "zero"], "places")
    x = graph.add("Add", [x, places], "tokens.placed")
    return graph.norm(x, "tokens", cast(nn.LayerNorm, embeddings.LayerNorm))


def _layer(graph: GraphBuilder, layer: nn.Module, name: str, heads: int, x: str) -> str:
    """Write one transformer layer, the norm after each residual sum."""

    def linear(x: str, part: str) -> str:
        module = cast(nn.Linear, layer.get_submodule(part))
        return graph.linear(x, f"{name}.{part}", module.weight, module.bias)

    def added(x: str, change: str, part: str) -> str:
        total = graph.add("Add", [x, change], f"{name}.{part}.sum")
        return graph.norm(total, f"{name}.{part}", cast(nn.LayerNorm, layer.get_submodule(part)))

    parts = [linear(x, f"attention.self.{part}") for part in ("query", "key", "value")]
    read = graph.add("Attention", parts, f"{name}.read", q_num_heads=heads, kv_num_heads=heads)
    x = added(x, linear(read, "attention.output.dense"), "attention.output.LayerNorm")
    up = graph.add("Gelu", [linear(x, "intermediate.dense")], f"{name}.gelu")
    return added(x, linear(up, "output.dense"), "output.LayerNorm")
