"""BERT as a graph has the rows of the model in torch, without torch and transformers."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

from voicemill.core.errors import BrokenModelError, InputError, MissingModelError
from voicemill.gpt_sovits.features import bert
from voicemill.gpt_sovits.onnx.bert import OnnxBert
from voicemill.gpt_sovits.onnx.bert_graph import bert_graph
from voicemill.gpt_sovits.onnx.quantization import in_weights
from voicemill.gpt_sovits.onnx.session import session
from voicemill.models import locate
from voicemill.models.toy.transformers_models import bert_vocabulary, make_bert
from voicemill.synthesis.exporting import export_bert
from voicemill.text.frontend import Segment
from voicemill.text.mandarin.wordpiece import WordPiece

TEXTS = ("今天好.", "今龘天…好", "今2024年ok天", "今\u200b天", "我们去北京大学看银行的行长，他很快乐！")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_bert(folder)
    assert export_bert(folder) == folder / "chinese-roberta-wwm-ext-large-onnx"
    return folder


def segments(text: str) -> list[Segment]:
    phones = ["a1"] * (2 * len(text))
    return [Segment("en", "hi", "hi", ["HH", "AY1"], None), Segment("zh", text, text, phones, [2] * len(text))]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_rows_that_it_has_in_torch(models: Path, text: str) -> None:
    wanted = bert.segment_features(bert.load(locate(models, "bert")), segments(text)).numpy()
    got = OnnxBert(locate(models, "bert-onnx"))(segments(text))
    assert got.shape == (1024, 2 + 2 * len(text)) and not got[:, :2].any() and got[:, 2:].any()
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@torch.no_grad()
def test_every_layer_is_the_models_and_smaller_weights_are_near() -> None:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=60, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=40,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape))
    graph = bert_graph(model)
    onnx.checker.check_model(graph, full_check=True)
    for length, tolerances in ((7, {"fp32": 1e-5, "fp16": 3e-3, "int8": 0.06}), (40, {"fp32": 1e-5})):
        tokens = torch.randint(0, 60, (1, length))
        wanted = model(tokens).last_hidden_state.numpy()
        for weights, tolerance in tolerances.items():
            made = in_weights(graph, weights).SerializeToString()  # type: ignore[arg-type]
            (got,) = session(made).run(["rows"], {"tokens": tokens.numpy()})
            np.testing.assert_allclose(np.asarray(got), wanted, atol=tolerance * float(abs(wanted).max()))
            assert len(made) < graph.ByteSize() * {"fp32": 1.01, "fp16": 0.56, "int8": 0.45}[weights]


def test_another_kind_of_bert_is_refused() -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, hidden_act="relu"
    )
    with pytest.raises(InputError, match="activation is 'relu'"):
        bert_graph(BertModel(config))


def test_texts_have_the_tokens_of_the_library(tmp_path: Path) -> None:
    vocabulary = {token: number for number, token in enumerate([*bert_vocabulary(), "play", "##ing", "un", "##able"])}
    library = BertWordPieceTokenizer(vocabulary, lowercase=True, strip_accents=None)
    library.save(str(tmp_path / "tokenizer.json"))
    ours = WordPiece.read(tmp_path / "tokenizer.json")
    strange = (
        "",
        " \t今 天\n",
        "Playing unable unplay",
        "Ünáble, ÀB",
        "a\x00b\ufffd\x85c",
        "ﬁ①Ⅳ",
        "か\u3099ガ",
        "x" * 101,
    )
    for text in (*TEXTS, *strange, "İstanbul ΣΑΣ ß", "﹏﹏〖好〗￥$^`|", "👍🏽好\u202e"):
        encoded = library.encode(text)
        found = ours.encode(text)
        assert found.ids == encoded.ids and found.spans == encoded.offsets[1:-1], text


def test_a_sentence_that_bert_cannot_hold_is_refused(models: Path) -> None:
    with pytest.raises(InputError, match="longer than the 510 that BERT reads"):
        OnnxBert(locate(models, "bert-onnx"))(segments("好" * 511))


def test_a_models_folder_without_the_graph_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="voicemill models export-onnx"):
        locate(tmp_path, "bert-onnx")


def test_crafted_files_end_in_a_sentence(models: Path, tmp_path: Path) -> None:
    def crafted(name: str) -> Path:
        return Path(shutil.copytree(locate(models, "bert-onnx"), tmp_path / name))

    folder = crafted("no graph")
    (folder / "bert.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="bert.onnx cannot be run by ONNX Runtime"):
        OnnxBert(folder)
    (folder / "bert.onnx").unlink()
    with pytest.raises(InputError, match="bert.onnx cannot be run by ONNX Runtime"):
        OnnxBert(folder)

    folder = crafted("no length")
    graph = onnx.load(folder / "bert.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, folder / "bert.onnx")
    with pytest.raises(InputError, match="does not say how many tokens it reads"):
        OnnxBert(folder)

    folder = crafted("other tokens")
    tokenizer = folder / "tokenizer.json"
    content = json.loads(tokenizer.read_text())
    content["model"]["vocab"]["好"] = 10**6
    tokenizer.write_text(json.dumps(content))
    with pytest.raises(BrokenModelError, match="bert.onnx does not fit its tokenizer; write it again"):
        OnnxBert(folder)(segments("好"))
    for value, said in (
        ({"好": 1}, r"its vocabulary lacks \[CLS\]"),
        ({"[CLS]": "one"}, "not an integer"),
        (None, "cannot be used"),
    ):
        tokenizer.write_text(json.dumps({"model": {"vocab": value}}))
        with pytest.raises(InputError, match=said):
            OnnxBert(folder)

    narrow = BertModel(
        BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    )
    folder = crafted("narrow")
    onnx.save(bert_graph(narrow), folder / "bert.onnx")
    ids = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": ids}}))
    with pytest.raises(BrokenModelError, match=r"gives \(1, 3, 8\) rows where \(1, 3, 1024\) are read"):
        OnnxBert(folder)(segments("好"))
