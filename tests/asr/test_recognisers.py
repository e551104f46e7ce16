"""The recognisers on speech whose words are known, and which of them is taken."""

from functools import partial
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from tests.speech import DEMO_SPEAKER
from voicemill.asr import recognizer
from voicemill.asr.pocketsphinx import PocketsphinxRecognizer
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.audio.reading import read_mono
from voicemill.core.errors import InputError, MissingModelError, OutOfGpuMemory, UsageError
from voicemill.models import locate, record
from voicemill.models.toy.whisper import make_whisper

RATE = 16_000
WORDS = (
    "the morning train was late again so we walked along the river "
    "a thin mist lay over the water and the bridges looked like drawings"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a toy Whisper, which its record says is one."""
    folder = tmp_path_factory.mktemp("models")
    make_whisper(folder)
    weights = locate(folder, "whisper") / "model.bin"
    record.add(folder, {"whisper/model.bin": record.describe(weights, "whisper", record.TOY)})
    return folder


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The first two sentences of the demo speaker, with silence around them."""
    return read_mono(DEMO_SPEAKER / "01_river_walk.ogg", RATE)[: int(9.6 * RATE)]


def test_pocketsphinx_hears_true_words(speech: np.ndarray) -> None:
    heard = PocketsphinxRecognizer("en").transcribe(speech)
    assert heard.language == "en"
    assert jiwer.wer(WORDS, heard.text) < 0.25
    assert 0.3 < heard.confidence <= 1


def test_pocketsphinx_hears_the_same_twice_and_whatever_came_before(speech: np.ndarray) -> None:
    listener = PocketsphinxRecognizer()
    first = listener.transcribe(speech[: 4 * RATE])
    listener.transcribe(speech[5 * RATE :])
    assert listener.transcribe(speech[: 4 * RATE]) == first


def test_pocketsphinx_hears_nothing_in_silence() -> None:
    assert PocketsphinxRecognizer().transcribe(np.zeros(RATE, np.float32)).text == ""
    assert PocketsphinxRecognizer().transcribe(np.zeros(0, np.float32)).text == ""


def test_pocketsphinx_says_that_it_knows_english_only() -> None:
    with pytest.raises(UsageError, match="English only"):
        PocketsphinxRecognizer("zh")


def test_the_toy_whisper_writes_the_language_it_is_told_and_more_for_longer_clips(
    models: Path, speech: np.ndarray
) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), "zh", "cpu", is_toy=True)
    short, long = listener.transcribe_all([speech[: 3 * RATE], speech])
    assert all("\u4e00" <= character <= "\u9fff" for character in short.text + long.text)
    assert 0 < len(short.text) < len(long.text) < 10 * 9.6
    english = WhisperRecognizer(locate(models, "whisper"), "en", "cpu", is_toy=True)
    assert english.transcribe(speech).text.replace(" ", "").isascii()


def test_clips_of_a_batch_do_not_touch_each_other(models: Path, speech: np.ndarray) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), "en", "cpu")
    clips = [speech[start * RATE // 2 :][: 2 * RATE + start * 1000] for start in range(11)]
    clips[4] = np.zeros(RATE, np.float32)
    together = listener.transcribe_all(clips)
    assert together == [listener.transcribe(clip) for clip in clips]
    assert together[4].text == "" and together[4].confidence == 0
    assert len({transcript.text for transcript in together}) > 5


def test_whisper_finds_a_language_that_can_be_trained(models: Path, speech: np.ndarray) -> None:
    assert WhisperRecognizer(locate(models, "whisper"), "auto", "cpu").transcribe(speech).language in {
        *("zh", "en", "ja", "ko", "yue")
    }


def test_a_broken_whisper_is_named(models: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(InputError, match="not a Whisper model"):
        WhisperRecognizer(tmp_path, "en", "cpu")


def test_auto_listens_to_english_by_pocketsphinx_where_whisper_is_a_toy_or_missing(
    models: Path, tmp_path: Path
) -> None:
    assert recognizer("auto", models, "en").name == "pocketsphinx"
    assert recognizer("auto", models, "auto").name == "pocketsphinx"
    assert recognizer("auto", tmp_path, "en").name == "pocketsphinx"


def test_auto_takes_real_weights_also_in_a_toys_place(models: Path) -> None:
    (models / "whisper" / "model.bin").touch()
    entry = record.read(models)["whisper/model.bin"]
    record.add(models, {"whisper/model.bin": record.Entry(entry.model, "hub", entry.size, entry.sha256)})
    try:
        listener = recognizer("auto", models, "en", "cpu")
        assert listener.name == "whisper"
        assert listener.trusted_above < 1
    finally:
        record.add(models, {"whisper/model.bin": entry})


def test_a_toys_words_are_never_trusted(models: Path, speech: np.ndarray) -> None:
    listener = recognizer("auto", models, "zh", "cpu")
    assert listener.name == "whisper"
    assert listener.transcribe(speech).confidence < listener.trusted_above


def test_without_any_model_for_a_language_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="voicemill models pull"):
        recognizer("auto", tmp_path, "zh")


def test_whisper_guesses_three_times_and_reads_the_transcript_along(models: Path, speech: np.ndarray) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), "en", "cpu", is_toy=True)
    clips = [speech[: 2 * RATE], speech[3 * RATE : 6 * RATE]]
    again = listener.hear_again(clips, ["en", "en"], ["good morning", "..."])
    assert [one.word_confidence is None for one in again] == [False, True], "punctuation is no word"
    assert 0 <= (again[0].word_confidence or 0.0) <= 1
    first, second = (one.texts for one in again)
    assert len(first) == len(second) == 3 and all(first + second)
    assert len(set(first)) > 1
    assert "<|" not in "".join(first + second)


def encoded_by(listener: WhisperRecognizer) -> list[list[int]]:
    """Return a list that gets the shape of all that the encoder is given from now on."""
    shapes: list[list[int]] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def encode(self, features: Any, **options: Any) -> Any:
            shapes.append(features.shape)
            return model.encode(features, **options)

    model = listener._model.model
    listener._model.model = Watched()
    return shapes


@pytest.mark.parametrize("language", ["en", "auto"])
def test_whisper_encodes_a_clip_once_whatever_is_asked_of_it(models: Path, speech: np.ndarray, language: str) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), language, "cpu", is_toy=True)
    clips = [speech[: 2 * RATE], speech[3 * RATE : 6 * RATE], speech[: 2 * RATE]]
    encoded = encoded_by(listener)
    heard = listener.transcribe_all(clips)
    assert heard[0] == heard[2]
    listener.hear_again(clips, [one.language for one in heard], [one.text for one in heard])
    listener.words(clips[1], heard[1].language, heard[1].text)
    assert [shape[0] for shape in encoded] == [2]
    other = [np.roll(clip, 1) for clip in clips]
    listener.hear_again(other, ["en"] * 3, ["good morning"] * 3)
    assert [shape[0] for shape in encoded] == [2, 2]


def test_whisper_takes_half_as_many_clips_where_memory_runs_out(
    models: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), "en", "cpu", is_toy=True)
    clips = [speech[start * RATE : (start + 1) * RATE] for start in range(5)]
    expected = listener.transcribe_all(clips)
    encode, sizes = listener._decoder.encode, []

    def small(those: list[np.ndarray], *, most: int = 2) -> Any:
        sizes.append(len(those))
        if len(those) > most:
            raise RuntimeError("CUDA failed with error out of memory")
        return encode(those)

    listener._recent.clear()
    monkeypatch.setattr(listener._decoder, "encode", small)
    assert [one.text for one in listener.transcribe_all(clips)] == [one.text for one in expected]
    assert sizes == [5, 4, 2, 2, 1]
    listener._recent.clear()
    monkeypatch.setattr(listener._decoder, "encode", partial(small, most=0))
    with pytest.raises(OutOfGpuMemory, match="Whisper and one clip do not fit"):
        listener.transcribe_all(clips)


def test_whisper_hears_at_a_glance_as_much_as_there_is(models: Path, speech: np.ndarray) -> None:
    listener = WhisperRecognizer(locate(models, "whisper"), "en", "cpu", is_toy=True)
    encoded = encoded_by(listener)
    assert "<|" not in listener.glance(speech[: 2 * RATE])
    # Two seconds and one of silence, at a hundred frames a second, instead of thirty.
    assert [shape[-1] for shape in encoded] == [300]
    assert listener.glance(speech[: 2 * RATE]) == listener.glance(speech[: 2 * RATE])
