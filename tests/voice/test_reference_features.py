"""What the models found in a voice's reference clips is kept beside it, and believed only while it holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.voice.conftest import reference, write_pair
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, MissingModelError
from voicemill.gpt_sovits.sovits.config import Version
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.models.toy.speaker import make_speaker_encoder
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.reference_features import add_to_voice, read_clips
from voicemill.synthesis.speaking import load_voice
from voicemill.text import BY_DICTIONARIES, Lexicon, Reading
from voicemill.voice import reference_features
from voicemill.voice.manifest import read_voice

SAID = "It is raining."
LINE = "Good morning."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for make in (make_hubert, make_speaker_encoder):
        make(folder, 1)
    return folder


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A models folder without models."""
    folder = tmp_path / "no-models"
    folder.mkdir()
    return folder


def imported(run, folder: Path, version: Version = "v2", *more: object) -> Path:
    folder.mkdir(exist_ok=True)
    happy = folder / "references"
    happy.mkdir()
    shutil.copyfile(reference(folder), happy / "happy.wav")
    options = ("--speaker", "ada", "--reference", folder / "ref.wav", "--language", "en", "--text", SAID)
    out = folder / "voice"
    given = (*options, "--references", happy, "--out", out, *more)
    assert run("voices", "import", *write_pair(folder, version), *given) == 0
    return out


def said(voice: Path, models: Path, name: str = "") -> np.ndarray:
    speaking = load_voice(voice, models, torch.device("cpu"))
    options = Options(max_tokens=20)
    return speaking.synthesizer.speak(LINE, "en", speaking.named(name), seed=3, options=options).samples


@pytest.mark.parametrize("version", ["v2", "v2Pro"])
def test_a_voice_that_carries_them_speaks_the_same_samples_without_the_models(
    version: Version, voicemill, models: Path, nothing: Path, tmp_path: Path
) -> None:
    voice = imported(voicemill, tmp_path / "import", version, "--models", models)
    plain = tmp_path / "plain"
    shutil.copytree(voice, plain)
    (plain / reference_features.FILE).unlink()
    for name in ("", "happy"):
        assert np.array_equal(said(voice, nothing, name), said(plain, models, name))
    with pytest.raises(MissingModelError, match="hubert"):
        said(plain, nothing)


def test_importing_without_a_models_folder_leaves_them_out(voicemill, tmp_path: Path) -> None:
    assert not (imported(voicemill, tmp_path / "import") / reference_features.FILE).exists()


def test_speaking_such_a_voice_loads_no_transformers(voicemill, models: Path, nothing: Path, tmp_path: Path) -> None:
    voice = imported(voicemill, tmp_path / "import", "v2Pro", "--models", models)
    program = (
        "import sys; from voicemill import Voice\n"
        f"speech = next(iter(Voice.load({str(voice)!r}, models={str(nothing)!r}, device='cpu').stream('Yes.')))\n"
        "print(len(speech) > 0, sorted({'transformers', 'torchaudio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout == "True []\n", ended.stderr


def test_what_another_clip_or_acoustic_model_gave_is_not_believed(
    voicemill, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voice = imported(voicemill, tmp_path / "import", "v2", "--models", models)
    assert load_voice(voice, models).is_read
    found = reference_features.read(voice)
    assert found is not None
    usual = file_digest(voice / "reference.wav")

    replace(found, clips={"0" * 64: found.clips[usual]}).write(voice)
    speaking = load_voice(voice, models)
    assert speaking.reference.features is None and not speaking.is_read

    replace(found, sovits="0" * 64).write(voice)
    assert load_voice(voice, models).reference.features is None
    assert "of another acoustic model" in caplog.text


def test_a_clip_that_cannot_be_used_is_left_out(
    voicemill, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    voice = imported(voicemill, tmp_path / "import")
    clips = [Reference(voice / "reference.wav", words, "en") for words in ("שלום", SAID)]
    read = read_clips(Pretrained(models), voice / "sovits.safetensors", clips[:1], BY_DICTIONARIES)
    assert not read.clips and "reference.wav is left out" in caplog.text
    read = read_clips(Pretrained(models), voice / "sovits.safetensors", clips, BY_DICTIONARIES)
    assert [clip.said.text for clip in read.clips.values() if clip.said] == [SAID]


def test_another_reading_pronounces_the_words_anew_and_keeps_the_rest(voicemill, models: Path, tmp_path: Path) -> None:
    voice = imported(voicemill, tmp_path / "import", "v2", "--models", models)
    lexicon = Reading(Lexicon([("raining", "en", "HH AH0 L OW1")]))
    same, other = (load_voice(voice, models, reading=reading).reference for reading in (BY_DICTIONARIES, lexicon))
    assert same.features and same.features.text and same.features.text.phones
    assert other.features and other.features.text is None
    add_to_voice(voice, Pretrained(models), lexicon)
    again = load_voice(voice, models, reading=lexicon).reference
    assert again.features and again.features.text
    assert again.features.text.phones != same.features.text.phones


def test_a_later_format_is_left_alone_and_a_damaged_file_is_refused(voicemill, models: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    voice = imported(voicemill, tmp_path / "import", "v2", "--models", models)
    file = voice / reference_features.FILE
    tensors, found = load_file(file), reference_features.read(voice)
    assert found is not None and set(found.clips) == {clip.sha256 for clip in read_voice(voice).parts[2:]}
    save_file(tensors, file, {"voicemill": '{"format": 2}'})
    assert reference_features.read(voice) is None
    for problem, clips in (
        ("tokens are missing or out of range", {"tokens_T": np.array([1, 1024], dtype=np.int32)}),
        ("speaker embedding", {"speaker_1G1": np.full((1, 8, 1), np.nan, dtype=np.float32)}),
    ):
        replace(found, clips={key: replace(clip, **clips) for key, clip in found.clips.items()}).write(voice)
        with pytest.raises(InputError, match=problem):
            load_voice(voice, models)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=reference_features.FILE):
        load_voice(voice, models)
