"""format: every clip is in all parts of the dataset or dropped with its reason."""

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile
import torch

from tests.speech import speech
from tests.text.g2pw_model import write_g2pw
from voicemill.audio.reading import write_wav
from voicemill.core.errors import BrokenModelError, InputError, MissingModelError
from voicemill.dataset.clip_features import pronounce
from voicemill.dataset.labels import Label, write
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.stages.format import format_dataset
from voicemill.text import phonemize
from voicemill.voice import pronunciation

RATE = 32_000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_hubert(folder)
    make_bert(folder)
    make_sovits(folder, 0)
    return folder


def clip(folder: Path, name: str, seconds: float, gain: float = 1.0, subtype: str = "PCM_16") -> None:
    write_wav(folder / name, np.repeat(speech(seconds), 2) * np.float32(gain), RATE, subtype)


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of clips and transcripts with every kind of trouble."""
    clips, transcripts = tmp_path / "clips", tmp_path / "transcripts"
    clips.mkdir()
    transcripts.mkdir()
    clip(clips, "english.wav", 2)
    clip(clips, "chinese.wav", 3)
    clip(clips, "mixed.wav", 2.5)
    clip(clips, "short.wav", 0.4)
    clip(clips, "loud.wav", 1, gain=6, subtype="FLOAT")
    clip(clips, "signs.wav", 1)
    clip(clips, "unheard.wav", 1)
    write_wav(clips / "silent.wav", np.zeros(RATE, np.float32), RATE, "PCM_16")
    (clips / "broken.wav").write_bytes(b"RIFF....")
    texts = {
        "english.wav": ("en", "Hello, how are you doing today?"),
        "chinese.wav": ("zh", "今天天气真不错，我们去公园散步吧。"),
        "mixed.wav": ("zh", "我说hello，花了￥30，是50%。"),
        "signs.wav": ("en", "?! ..."),
        **{name: ("en", "hello there") for name in ("short.wav", "loud.wav", "silent.wav", "broken.wav", "gone.wav")},
    }
    write(transcripts / "transcripts.list", [Label(name, "s", *text) for name, text in texts.items()])
    return clips, transcripts


def test_each_clip_is_whole_or_dropped_with_its_reason(inputs: tuple[Path, Path], models: Path, tmp_path: Path) -> None:
    ledger = format_dataset(*inputs, tmp_path / "d", models=str(models))
    dataset = DatasetFolder(tmp_path / "d")
    kept = ["chinese.wav", "english.wav", "mixed.wav"]
    assert [entry["item"] for entry in ledger.entries if entry["outcome"] == "kept"] == kept
    assert list(dataset.texts()) == list(dataset.codes()) == kept
    assert sorted(path.name for path in dataset.wav_folder.iterdir()) == kept
    assert sorted(path.name for path in dataset.hubert_folder.iterdir()) == [f"{name}.pt" for name in kept]
    assert sorted(path.name for path in dataset.bert_folder.iterdir()) == ["chinese.wav.pt", "mixed.wav.pt"]
    for name, text in dataset.texts().items():
        ssl = torch.load(dataset.hubert_path(name), weights_only=True)
        assert len(dataset.codes()[name]) == ssl.shape[2] // 2
        assert abs(soundfile.info(dataset.wav_path(name)).frames / 640 - ssl.shape[2]) <= 2
        if dataset.bert_path(name).exists():
            assert torch.load(dataset.bert_path(name), weights_only=True).shape == (1024, len(text.phones))
    reasons = {entry["item"]: entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"}
    expected = {
        "short.wav": "0.40 s long",
        "loud.wav": "dB over full scale",
        "silent.wav": "silence",
        "broken.wav": "broken.wav",
        "gone.wav": "the clip does not exist",
        "unheard.wav": "no transcript",
        "signs.wav": "nothing in its text can be pronounced",
    }
    assert reasons.keys() == expected.keys()
    assert all(words in reasons[name] for name, words in expected.items())


def test_the_same_input_gives_the_same_bytes(inputs: tuple[Path, Path], models: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        format_dataset(*inputs, tmp_path / name, models=str(models))
    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second


def test_what_is_not_heard_is_in_the_ledger_with_its_place(models: Path, tmp_path: Path) -> None:
    clips, transcripts = tmp_path / "clips", tmp_path / "transcripts"
    clips.mkdir()
    transcripts.mkdir()
    for name in ("a.wav", "b.wav", "c.wav", "d.wav", "e.wav"):
        clip(clips, name, 2)
    texts = ["I like it 😀 a lot.", "￥ 30很贵很贵 Ж。", "", "?!", "😀"]
    labels = [Label(path.name, "s", "zh", text) for path, text in zip(sorted(clips.iterdir()), texts, strict=True)]
    write(transcripts / "transcripts.list", labels)
    ledger = format_dataset(clips, transcripts, tmp_path / "d", models=str(models), min_seconds=0)
    entries = {entry["item"]: entry for entry in ledger.entries}
    assert entries["a.wav"]["unpronounced"] == [{"character": "😀", "position": 10}]
    assert entries["b.wav"]["unpronounced"] == [{"character": "Ж", "position": 9}]
    assert [entries[name]["reason"] for name in ("c.wav", "d.wav", "e.wav")] == [
        "its transcript is empty",
        "nothing in its text can be pronounced: '?!'",
        "nothing in its text can be pronounced: '😀'",
    ]


@pytest.mark.parametrize(
    ("asked", "reader", "phones"), [("auto", "g2pw", "h ang2"), ("pypinyin", "pypinyin", "x ing2")]
)
def test_polyphones_and_the_users_words_are_read_as_asked_and_recorded(
    models: Path, tmp_path: Path, asked: Literal["auto", "pypinyin"], reader: str, phones: str
) -> None:
    clips, transcripts = tmp_path / "clips", tmp_path / "transcripts"
    clips.mkdir()
    transcripts.mkdir()
    for name in ("a.wav", "b.wav"):
        clip(clips, name, 3)
    write(transcripts / "transcripts.list", [Label(name, "s", "zh", "他们都行，重庆。") for name in ("a.wav", "b.wav")])
    lexicon = tmp_path / "words.csv"
    lexicon.write_text("word,reading\n重庆,zhong4 qing4\n", encoding="utf-8")
    with_g2pw = shutil.copytree(models, tmp_path / "models")
    write_g2pw(with_g2pw)
    ledger = format_dataset(
        clips, transcripts, tmp_path / "d", models=str(with_g2pw), lexicon=str(lexicon), polyphone_model=asked
    )
    assert ledger.summary()["polyphones"] == reader and ledger.summary()["lexicon"] == 1
    said = " ".join(DatasetFolder(tmp_path / "d").texts()["a.wav"].phones)
    assert f"{phones} , zh ong4 q ing4" in said
    again = pronunciation.load(with_g2pw, trained=tmp_path / "d")
    assert again.polyphones == reader
    assert " ".join(phonemize("他们都行，重庆。", "zh", reading=again.reading).phones) == said


def test_a_broken_lexicon_ends_the_stage_naming_the_line(
    inputs: tuple[Path, Path], models: Path, tmp_path: Path
) -> None:
    lexicon = tmp_path / "words.csv"
    lexicon.write_text("word,reading\n重庆,zhong4 qing4\n重庆,chong2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"words.csv, line 3: "):
        format_dataset(*inputs, tmp_path / "d", models=str(models), lexicon=str(lexicon))


def test_g2pw_that_is_asked_for_must_be_there(inputs: tuple[Path, Path], models: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="voicemill models pull .* g2pw"):
        format_dataset(*inputs, tmp_path / "d", models=str(models), polyphone_model="g2pw")


def test_a_broken_g2pw_ends_the_stage(inputs: tuple[Path, Path], models: Path, tmp_path: Path) -> None:
    labels = [Label("chinese.wav", "s", "zh", "他们都行。"), Label("english.wav", "s", "en", "hello there")]
    write(inputs[1] / "transcripts.list", labels)
    broken = shutil.copytree(models, tmp_path / "models")
    (write_g2pw(broken) / "g2pW.onnx").write_bytes(b"")
    with pytest.raises(BrokenModelError, match="g2pW.onnx is not g2pW's"):
        format_dataset(*inputs, tmp_path / "d", models=str(broken))


def test_foreign_words_and_signs_are_said_as_the_speaker_said_them() -> None:
    ours = pronounce("我说hello，花了￥30，是50%。", "zh", "v2")
    assert [segment.language for segment in ours.segments] == ["zh", "en", "zh"]
    assert "百分之五十" in ours.norm_text and "三十元" in ours.norm_text
    assert not {"SP2", "SP3"} & set(ours.phones)
    theirs = pronounce("我说hello，花了￥30，是50%。", "zh", "v2", as_reference=True)
    assert "hello" not in theirs.norm_text and "百分之" not in theirs.norm_text


def test_short_texts_get_nothing_in_front() -> None:
    assert pronounce("好", "zh", "v2").phones == ["h", "ao3"]


def test_too_little_speech_ends_the_stage(inputs: tuple[Path, Path], models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="7.5 s of speech left, at least 60 s needed"):
        format_dataset(*inputs, tmp_path / "d", models=str(models), min_seconds=60)
    with pytest.raises(InputError, match="3 clips left, at least 4 needed"):
        format_dataset(*inputs, tmp_path / "d", models=str(models), min_clips=4)
    assert not (tmp_path / "d").exists()
