"""The vocoder's convolutions in int8, with ranges of activations that are measured on a voice's own speech.

A vocoder is stages that each raise the rate; the last stages have few channels and shape the finest detail, where
rounding is heard as noise and saves little. They stay as they are, as do the convolutions that raise the rate.

Weights have 7 bits: with 8, processors without VNNI would saturate sums of two products, and sound otherwise.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from voicemill.gpt_sovits.sovits.vocoder import Vocoder

FINE_STAGES = 2
_BLOCK = re.compile(r"/dec/resblocks\.(\d+)/")
_PREPROCESSED = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""By which ONNX Runtime knows that weights are folded, as `acoustic_graph` returns them."""


class _Spoken(CalibrationDataReader):
    def __init__(self, inputs: Iterable[Mapping[str, np.ndarray]]):
        self._left: Iterator[Mapping[str, np.ndarray]] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray]:
        # An empty dictionary ends it, as None does.
        return dict(next(self._left, {}))


def quantize_vocoder(
    model: onnx.ModelProto,
    vocoder: Vocoder,
    spoken: Iterable[Mapping[str, np.ndarray]],
    fine_stages: int = FINE_STAGES,
) -> onnx.ModelProto:
    """Return an acoustic graph with the convolutions of all but the vocoder's last stages in int8.

    Args:
        model: What `acoustic_graph` returns.
        vocoder: The model's.
        spoken: Inputs of the graph, at least one, by which ranges are measured.
        fine_stages: Stages at the end that are not rounded.

    Raises:
        ValueError: There are no such convolutions in the graph.
    """
    rounded = len(vocoder.resblocks) - fine_stages * (len(vocoder.resblocks) // len(vocoder.ups))
    with tempfile.TemporaryDirectory(prefix="voicemill-onnx-") as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "made.onnx"
        prepared = onnx.ModelProto()
        prepared.CopyFrom(model)
        helper.set_model_props(prepared, _PREPROCESSED)
        onnx.save(prepared, plain)
        found = [
            node.name
            for node in model.graph.node
            if node.op_type == "Conv" and (block := _BLOCK.match(node.name)) and int(block[1]) < rounded
        ]
        if not found:
            raise ValueError("the graph has no convolutions of a vocoder")
        quantize_static(
            plain,
            made,
            _Spoken(spoken),
            nodes_to_quantize=found,
            op_types_to_quantize=["Conv"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return onnx.load(made)
