"""Tiny models in the formats that sherpa-onnx reads: they say one word for every third frame, whatever is heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_FRAME = 560
_LONGEST = 600
_SENSEVOICE_IDS = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
_COMMON = {
    "lfr_window_size": 7,
    "lfr_window_shift": 6,
    "neg_mean": ",".join(["0"] * _FRAME),
    "inv_stddev": ",".join(["1"] * _FRAME),
}
WORDS = ["▁the", "▁morning", "▁train"]


def make_sensevoice(folder: Path) -> Path:
    """model.onnx and tokens.txt of a SenseVoice: x, x_length, language, text_norm -> logits `[N, T + 4, vocabulary]`.

    Asked for "auto" it hears Korean.
    """
    heard = {"auto": "ko"} | {code: code for code in ("zh", "en", "yue", "ja", "ko", "nospeech")}
    codes = dict.fromkeys(heard.values())
    tokens = ["<unk>", *(f"<|{code}|>" for code in codes), "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>", *WORDS]
    languages = np.zeros((16, len(tokens)), np.float32)
    for code, number in _SENSEVOICE_IDS.items():
        languages[number, tokens.index(f"<|{heard[code]}|>")] = 9
    prefix = np.eye(len(tokens), dtype=np.float32)[[tokens.index(name) for name in tokens[-6:-3]]] * 9
    nodes = [
        *_frames(),
        helper.make_node("Gather", ["languages", "language"], ["of_language"]),
        helper.make_node("Unsqueeze", ["of_language", "axis_1"], ["first"]),
        helper.make_node("Unsqueeze", ["prefix", "axis_0"], ["prefix_1"]),
        helper.make_node("Concat", ["batch", "three", "vocabulary"], ["prefix_shape"], axis=0),
        helper.make_node("Expand", ["prefix_1", "prefix_shape"], ["rest"]),
        helper.make_node("Concat", ["first", "rest", "words"], ["logits"], axis=1),
    ]
    inputs = [
        _value("x", TensorProto.FLOAT, ["N", "T", _FRAME]),
        *(_value(name, TensorProto.INT32, ["N"]) for name in ("x_length", "language", "text_norm")),
    ]
    constants = _constants(tokens) | {"languages": languages, "prefix": prefix, "three": np.array([3], np.int64)}
    metadata = _COMMON | {"model_type": "sense_voice_ctc", "vocab_size": len(tokens), "normalize_samples": 0}
    metadata |= {f"lang_{code}": number for code, number in _SENSEVOICE_IDS.items()}
    metadata |= {"with_itn": 14, "without_itn": 15}
    outputs = [_value("logits", TensorProto.FLOAT, ["N", "L", len(tokens)])]
    return _save(folder, nodes, inputs, outputs, constants, metadata, tokens)


def make_paraformer(folder: Path) -> Path:
    """model.onnx and tokens.txt of a Paraformer: speech, speech_lengths -> logits `[N, T, vocabulary]`, token_num."""
    tokens = ["<blank>", "<s>", "</s>", "早", "上", "好", "<unk>"]
    nodes = [
        *_frames(source="speech", target="logits"),
        helper.make_node("Identity", ["speech_lengths"], ["token_num"]),
    ]
    inputs = [
        _value("speech", TensorProto.FLOAT, ["N", "T", _FRAME]),
        _value("speech_lengths", TensorProto.INT32, ["N"]),
    ]
    outputs = [
        _value("logits", TensorProto.FLOAT, ["N", "L", len(tokens)]),
        _value("token_num", TensorProto.INT32, ["N"]),
    ]
    table = np.zeros((_LONGEST, len(tokens)), np.float32)
    table[np.arange(_LONGEST), 3 + np.arange(_LONGEST) % 3] = 9
    metadata = _COMMON | {"model_type": "paraformer", "vocab_size": len(tokens)}
    return _save(folder, nodes, inputs, outputs, _constants(tokens) | {"table": table}, metadata, tokens)


def _frames(source: str = "x", target: str = "words") -> list[Any]:
    """The first rows of the table, as many as there are frames, for each of the batch."""
    return [
        helper.make_node("Shape", [source], ["shape"]),
        helper.make_node("Gather", ["shape", "axis_0"], ["batch"], axis=0),
        helper.make_node("Gather", ["shape", "axis_1"], ["length"], axis=0),
        helper.make_node("Slice", ["table", "axis_0", "length"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "axis_0"], ["rows_1"]),
        helper.make_node("Concat", ["batch", "length", "vocabulary"], ["rows_shape"], axis=0),
        helper.make_node("Expand", ["rows_1", "rows_shape"], [target]),
    ]


def _constants(tokens: list[str]) -> dict[str, np.ndarray]:
    table = np.zeros((_LONGEST, len(tokens)), np.float32)
    spoken = np.arange(0, _LONGEST, 3)
    table[:, 0] = 1
    table[spoken, len(tokens) - len(WORDS) + (spoken // 3) % len(WORDS)] = 9
    return {
        "table": table,
        "axis_0": np.array([0], np.int64),
        "axis_1": np.array([1], np.int64),
        "vocabulary": np.array([len(tokens)], np.int64),
    }


def _value(name: str, kind: int, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _save(folder: Path, nodes, inputs, outputs, constants, metadata, tokens: list[str]) -> Path:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {name: str(value) for name, value in metadata.items()})
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "tokens.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)))
    return folder
