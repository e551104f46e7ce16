"""The network that marks speech as an ONNX graph: `levels` `[1, W, T]` to their `change`, float32."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from voicemill.gpt_sovits.onnx.graph_builder import GraphBuilder
from voicemill.synthesis import watermark
from voicemill.synthesis.watermark_network import Network


def watermark_graph(network: Network) -> onnx.ModelProto:
    """Return the graph; the mark's name is in its metadata, as `name`."""
    graph, x = GraphBuilder(), "levels"
    for number, layer in enumerate(network.encoder["layers"]):  # type: ignore[arg-type]
        weights = [graph.weight(f"{number}.weight", layer.conv.weight), graph.weight(f"{number}.bias", layer.conv.bias)]
        size = layer.conv.kernel_size[0]
        x = graph.add("Conv", [x, *weights], f"{number}.conv", kernel_shape=[size], pads=[size // 2, size // 2])
        if layer.active:
            x = graph.add("LeakyRelu", [x], f"{number}.active", alpha=0.01)
    graph.add("Identity", [x], "change")
    given, made = ([(name, TensorProto.FLOAT, [1, watermark.BAND, "T"])] for name in ("levels", "change"))
    mark = watermark.mark()
    return graph.model("watermark", given, made, {"name": mark.name if mark else watermark.PACKAGE})
