"""The dataset folder and the features in it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from tests.speech import speech
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.dataset import DatasetFolder, Text, level
from voicemill.gpt_sovits.features import bert, hubert, semantic
from voicemill.models import locate
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.text.frontend import Segment


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_hubert(folder)
    make_bert(folder)
    make_sovits(folder, 0)
    return folder


def test_loud_samples_are_clipped_where_the_reference_wraps_them_around() -> None:
    wav = np.linspace(-1.5, 1.5, 1001, dtype=np.float32)
    clipped, heard = level(wav)
    wrapped, heard_too = level(wav, wrap=True)
    assert clipped[0] == -32768 and clipped[-1] == 32767
    assert wrapped[-1] < 0
    inside = np.abs(clipped.astype(int)) < 32767
    np.testing.assert_array_equal(clipped[inside], wrapped[inside])
    np.testing.assert_array_equal(heard, heard_too)


@pytest.mark.parametrize(
    ("wav", "sentence"),
    [
        (np.zeros(100, np.float32), "silence"),
        (np.zeros(0, np.float32), "silence"),
        (np.full(100, 3, np.float32), "peak of 3.00"),
        (np.array([0.1, np.nan], np.float32), "NaN or infinite"),
    ],
)
def test_audio_that_cannot_be_levelled_is_refused(wav: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        level(wav)


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    dataset = DatasetFolder(tmp_path)
    texts = {
        "a.wav": Text(("n", "i3", "h", "ao3", "!"), [2, 2, 1], "你好!"),
        "b c.wav": Text(("HH", "AY1"), None, "hi"),
    }
    codes = {"a.wav": [1, 2, 3], "b c.wav": [1023]}
    dataset.write_texts(texts)
    dataset.write_codes(codes)
    assert dataset.texts() == texts
    assert dataset.codes() == codes
    assert (
        dataset.texts_file.read_text(encoding="utf-8")
        == "a.wav\tn i3 h ao3 !\t[2, 2, 1]\t你好!\nb c.wav\tHH AY1\tNone\thi\n"
    )
    assert dataset.codes_file.read_text().startswith("item_name\tsemantic_audio\na.wav\t1 2 3\n")


def test_codes_without_a_header_are_read_too(tmp_path: Path) -> None:
    dataset = DatasetFolder(tmp_path)
    dataset.codes_file.write_text("a.wav\t1 2")
    assert dataset.codes() == {"a.wav": [1, 2]}


@pytest.mark.parametrize("row", ["a.wav\tn i3\n", "a.wav\tn\t[1\tx\n", "a.wav\tn\timport os\tx\n"])
def test_a_row_that_is_none_is_named(tmp_path: Path, row: str) -> None:
    dataset = DatasetFolder(tmp_path)
    dataset.texts_file.write_text("b.wav\tHH\tNone\th\n" + row)
    with pytest.raises(InputError, match="line 2"):
        dataset.texts()


def test_a_clip_is_stored_as_the_reference_stores_it(tmp_path: Path, models: Path) -> None:
    dataset = DatasetFolder(tmp_path)
    dataset.create()
    wav = speech(1.0)
    pcm, heard = level(np.repeat(wav, 2))
    ssl = hubert.features(hubert.load(locate(models, "hubert")), heard[::2])
    dataset.add_audio("a.wav", pcm, ssl)
    stored, rate = soundfile.read(dataset.wav_path("a.wav"), dtype="int16")
    assert rate == 32_000 and soundfile.info(dataset.wav_path("a.wav")).subtype == "PCM_16"
    np.testing.assert_array_equal(stored, pcm)
    back = torch.load(dataset.hubert_path("a.wav"), weights_only=True)
    assert torch.equal(back, ssl) and not back.requires_grad
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["a.wav", "a.wav.pt", "version.txt"]


def test_hubert_gives_fifty_frames_a_second_and_half_as_many_tokens(models: Path) -> None:
    ssl = hubert.features(hubert.load(locate(models, "hubert")), speech(2.0))
    assert ssl.shape == (1, 768, 99) and ssl.dtype == torch.float32
    tokens = semantic.codes(semantic.load(locate(models, "sovits-g")), ssl)
    assert len(tokens) == 49 and all(0 <= token < 1024 for token in tokens)
    assert len(set(tokens)) > 10


def test_public_weights_in_their_older_form_give_the_same_features(models: Path, tmp_path: Path) -> None:
    """`pytorch_model.bin`, the weight norm's older names, a buffer that is not a weight, and no tokenizer.json."""
    for name, extra in (("hubert", {}), ("bert", {"bert.embeddings.position_ids": torch.arange(512)[None]})):
        folder = tmp_path / name
        folder.mkdir()
        source = locate(models, name)
        (folder / "config.json").write_bytes((source / "config.json").read_bytes())
        if name == "bert":
            (folder / "vocab.txt").write_bytes((source / "vocab.txt").read_bytes())
        older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        weights = load_file(source / "model.safetensors") | extra
        for now, then in older.items():
            weights = {key.replace(now, then): value for key, value in weights.items()}
        torch.save(weights, folder / "pytorch_model.bin")
    wav = speech(0.5)
    ours, theirs = (
        hubert.features(hubert.load(folder), wav) for folder in (locate(models, "hubert"), tmp_path / "hubert")
    )
    assert torch.equal(ours, theirs)
    ours, theirs = (
        bert.features(bert.load(f), "今天好.", [2, 2, 2, 1]) for f in (locate(models, "bert"), tmp_path / "bert")
    )
    assert torch.equal(ours, theirs)


def test_each_phone_has_its_characters_bert_row(models: Path) -> None:
    model = bert.load(locate(models, "bert"))
    rows = bert.features(model, "今天好.", [2, 2, 2, 1])
    once = bert.features(model, "今天好.", [1, 1, 1, 1])
    assert rows.shape == (1024, 7)
    assert torch.equal(rows, once[:, [0, 0, 1, 1, 2, 2, 3]])


def test_characters_that_the_vocabulary_lacks_or_joins_keep_their_places(models: Path) -> None:
    model = bert.load(locate(models, "bert"))
    for text in ("今龘天…好", "今2024年ok天", "今\u200b天"):
        assert bert.features(model, text, [1] * len(text)).shape == (1024, len(text))


def test_a_sentence_that_bert_cannot_hold_is_refused(models: Path) -> None:
    with pytest.raises(InputError, match="510"):
        bert.features(bert.load(locate(models, "bert")), "好" * 511, [2] * 511)


def test_languages_without_bert_have_zeros(models: Path) -> None:
    segments = [
        Segment("zh", "你好", "你好", ["n", "i3", "h", "ao3"], [2, 2]),
        Segment("en", "hi", "hi", ["HH", "AY1"], None),
    ]
    rows = bert.segment_features(bert.load(locate(models, "bert")), segments)
    assert rows.shape == (1024, 6)
    assert rows[:, :4].abs().sum() > 0 and not rows[:, 4:].any()


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    for load in (hubert.load, bert.load):
        with pytest.raises(InputError, match=str(tmp_path)):
            load(tmp_path)


@pytest.mark.parametrize("clip", ["../a.wav", "/etc/passwd", "a/b.wav", "..", "a\\b.wav", "\uff0e\uff0e\uff0fa.wav"])
def test_a_row_that_names_a_clip_elsewhere_is_refused(clip: str, tmp_path: Path) -> None:
    dataset = DatasetFolder(tmp_path)
    dataset.texts_file.write_text(f"{clip}\tAH0\t[1]\ta\n", encoding="utf-8")
    dataset.codes_file.write_text(f"{clip}\t1 2\n", encoding="utf-8")
    for read in (dataset.texts, dataset.codes):
        with pytest.raises(InputError, match="line 1 names the clip"):
            read()


@pytest.mark.parametrize("counts", ["[" * 100_000, "[1, [2]]", "__import__('os')", "[1e9]", "{1}", "", "(" * 500])
def test_counts_that_are_no_list_of_integers_are_refused(counts: str, tmp_path: Path) -> None:
    dataset = DatasetFolder(tmp_path)
    dataset.texts_file.write_text(f"a.wav\tAH0\t{counts}\ta\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1 is not a row"):
        dataset.texts()
