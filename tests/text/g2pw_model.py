"""A tiny G2PWModel in the public one's format, whose network really looks at the words around a character."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"银行走長长成樂乐音快他们去,."]
POLYPHONIC = {"行": ["ㄒㄧㄥ2", "ㄏㄤ2"], "長": ["ㄔㄤ2", "ㄓㄤ3"], "樂": ["ㄌㄜ4", "ㄩㄝ4"], "不": ["ㄅㄨ4", "ㄈㄡ3"]}
MONOPHONIC = {"銀": "ㄧㄣ2", "走": "ㄗㄡ3", "去": "ㄑㄩ5", "似": "ㄌㄜ4"}
SYLLABLES = {
    "ㄒㄧㄥ": "xing", "ㄏㄤ": "hang", "ㄔㄤ": "chang", "ㄓㄤ": "zhang", "ㄌㄜ": "le", "ㄩㄝ": "yue", "ㄅㄨ": "bu",
    "ㄈㄡ": "fou", "ㄧㄣ": "yin", "ㄗㄡ": "zou", "ㄑㄩ": "qu",
}  # fmt: skip
HINTS = {"走": "ㄒㄧㄥ2", "成": "ㄓㄤ3", "音": "ㄩㄝ4"}
"""Words of a text -> what they make the network answer; without one it says a character's first label by code point."""


def write_g2pw(models: Path, *, by_character: bool = False) -> Path:
    """Write `G2PWModel` and a tokenizer into a models folder.

    Args:
        models: The folder.
        by_character: Let labels name the character, as a setting of the public format can.

    Returns:
        The folder of the model.
    """
    pairs = [(character, reading) for character, readings in POLYPHONIC.items() for reading in readings]
    labels = sorted({f"{character} {reading}" if by_character else reading for character, reading in pairs})
    folder = models / "G2PWModel"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "POLYPHONIC_CHARS.txt").write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")
    single = "".join(f"{character}\t{reading}\n" for character, reading in MONOPHONIC.items())
    (folder / "MONOPHONIC_CHARS.txt").write_text(single, encoding="utf-8")
    (folder / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(SYLLABLES), encoding="utf-8")
    settings = f"root = './data/'\npath = root + 'x'\nuse_mask = True\nuse_char_phoneme = {by_character}\n"
    (folder / "config.py").write_text(settings, encoding="utf-8")
    tokenizer = models / "chinese-roberta-wwm-ext-large" / "tokenizer.json"
    if not tokenizer.exists():
        tokenizer.parent.mkdir(exist_ok=True)
        vocabulary = {token: number for number, token in enumerate(TOKENS)}
        tokenizer.write_text(json.dumps({"model": {"vocab": vocabulary}}), encoding="utf-8")
    tokens = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    onnx.save(_network(labels, tokens), str(folder / "g2pW.onnx"))
    return folder


def _network(labels: list[str], tokens: dict[str, int]) -> onnx.ModelProto:
    """softmax(hints of the tokens + what the token at the place allows) times the mask, of the first row of tokens."""
    hints = np.zeros((len(tokens), len(labels)), np.float32)
    own = np.full((len(tokens), len(labels)), -100, np.float32)
    for token, reading in HINTS.items():
        hints[tokens[token], [label.endswith(reading) for label in labels]] = 5
    for character, readings in POLYPHONIC.items():
        if character in tokens:
            allowed = [any(label.endswith(reading) for reading in readings) for label in labels]
            own[tokens[character], allowed] = 0
    constants = {
        "hints": hints, "own": own, "zero": np.array([0], np.int64), "one": np.array([1], np.int64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["input_ids", "zero", "one", "zero"], ["row_1T"]),
        helper.make_node("Squeeze", ["row_1T", "zero"], ["row_T"]),
        helper.make_node("Gather", ["hints", "row_T"], ["hints_TL"]),
        helper.make_node("ReduceSum", ["hints_TL", "zero"], ["hints_1L"], keepdims=1),
        helper.make_node("Gather", ["row_T", "position_ids"], ["token_Q"]),
        helper.make_node("Gather", ["own", "token_Q"], ["own_QL"]),
        helper.make_node("Add", ["hints_1L", "own_QL"], ["logits_QL"]),
        helper.make_node("Softmax", ["logits_QL"], ["softmax_QL"], axis=1),
        helper.make_node("Mul", ["softmax_QL", "phoneme_mask"], ["probs"]),
    ]
    rows = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"])
        for name in ("input_ids", "token_type_ids", "attention_mask")
    ]
    queries = [helper.make_tensor_value_info(name, TensorProto.INT64, ["Q"]) for name in ("char_ids", "position_ids")]
    mask = helper.make_tensor_value_info("phoneme_mask", TensorProto.FLOAT, ["Q", len(labels)])
    output = helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["Q", len(labels)])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g2pw", [*rows, mask, *queries], [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
