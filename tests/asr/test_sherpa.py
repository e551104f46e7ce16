"""SenseVoice and Paraformer by sherpa-onnx, on tiny models in their formats."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.asr.sherpa_models import make_paraformer, make_sensevoice
from tests.speech import speech
from voicemill.asr import recognizer
from voicemill.asr.sherpa import SherpaRecognizer
from voicemill.core.errors import InputError, MissingModelError, UsageError


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_sensevoice(folder / "sensevoice")
    make_paraformer(folder / "paraformer")
    return folder


def test_sensevoice_writes_what_its_model_says_in_the_language_it_is_told(models: Path) -> None:
    listener = recognizer("sensevoice", models, "en")
    short, long = listener.transcribe_all([speech(1.0), speech(2.0)])
    assert short.text == "the morning train the morning train"
    assert long.text.startswith(short.text) and len(long.text) > len(short.text)
    assert (short.language, short.confidence) == ("en", 1.0)
    assert short.confidence >= listener.trusted_above


def test_sensevoice_finds_the_language(models: Path) -> None:
    assert recognizer("sensevoice", models, "auto").transcribe(speech(1.0)).language == "ko"


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.float32), np.zeros(0, np.float32)])
def test_silence_has_no_words(models: Path, samples: np.ndarray) -> None:
    assert recognizer("sensevoice", models, "en").transcribe(samples).text == ""


def test_paraformer_writes_mandarin(models: Path) -> None:
    heard = recognizer("paraformer", models, "zh").transcribe(speech(1.0))
    assert heard.text.startswith("早上好早上好") and heard.language == "zh"


def test_paraformer_knows_mandarin_only(models: Path) -> None:
    with pytest.raises(UsageError, match="paraformer knows zh only, not en"):
        recognizer("paraformer", models, "en")


def test_auto_takes_sensevoice_where_there_is_no_whisper(models: Path, tmp_path: Path) -> None:
    assert recognizer("auto", models, "ja").name == "sensevoice"
    make_paraformer(tmp_path / "paraformer")
    assert recognizer("auto", tmp_path, "zh").name == "paraformer"
    assert recognizer("auto", tmp_path, "en").name == "pocketsphinx"


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"voicemill models pull .* sensevoice"):
        recognizer("sensevoice", tmp_path, "en")


def test_a_folder_without_tokens_is_refused(tmp_path: Path) -> None:
    make_sensevoice(tmp_path)
    (tmp_path / "tokens.txt").unlink()
    with pytest.raises(InputError, match=r"needs model\.onnx and tokens\.txt"):
        SherpaRecognizer("sensevoice", tmp_path, "en")


@pytest.mark.parametrize("damage", ["no onnx", "another model"])
def test_what_is_not_such_a_model_is_refused_and_does_not_end_the_process(tmp_path: Path, damage: str) -> None:
    make_paraformer(tmp_path)
    if damage == "no onnx":
        (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="is not an ONNX model|its metadata lack lang_auto"):
        SherpaRecognizer("sensevoice", tmp_path, "en")


def test_the_smaller_model_goes_first(tmp_path: Path) -> None:
    make_sensevoice(tmp_path)
    model = onnx.load(str(tmp_path / "model.onnx"))
    onnx.save(model, str(tmp_path / "model.int8.onnx"))
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    assert SherpaRecognizer("sensevoice", tmp_path, "en").transcribe(speech(1.0)).text
