"""The public Python API, by the small base that comes with voicemill."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import speech as recorded
from tests.small_voice import STEADY, make_voice, small_models
from voicemill import InputError, MissingModelError, UsageError, Voice
from voicemill.asr import Transcript
from voicemill.audio.reading import write_wav
from voicemill.core.digests import file_digest
from voicemill.evaluation import verifying
from voicemill.registry import open_registry, publish
from voicemill.stages.synthesize import synthesize
from voicemill.synthesis.verification.listening import Ear
from voicemill.voice.manifest import ReferenceClip, read_voice

LINE = "She put the cake on the table."


@pytest.fixture(scope="module")
def models() -> Path:
    return small_models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice of the small base's weights, which speaks by a generation config of its own."""
    folder = make_voice(tmp_path_factory.mktemp("voice"))
    write_wav(folder / "lively.wav", recorded.speech(4.0), 16_000, "PCM_16")
    lively = ReferenceClip("lively.wav", file_digest(folder / "lively.wav"), "", "en", 4.0)
    replace(read_voice(folder), references={"lively": lively}).write(folder)
    return folder


@pytest.fixture(scope="module")
def voice(folder: Path, models: Path) -> Voice:
    return Voice.load(folder, models=models, device="cpu")


def test_importing_voicemill_and_the_names_of_its_api_loads_no_torch():
    program = (
        "import sys, voicemill; from voicemill import Voice, Speech, InputError\n"
        "print(sorted({'torch', 'numpy', 'transformers', 'soundfile'} & set(sys.modules)), Voice.__name__)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[] Voice\n"


def test_unknown_names_of_the_package_are_attribute_errors():
    import voicemill

    with pytest.raises(AttributeError, match="no attribute 'Vioce'"):
        voicemill.Vioce  # noqa: B018


def test_a_line_has_samples_and_says_what_was_not_pronounced(voice: Voice):
    speech = voice.say("Good morning 😀.")
    assert speech.samples.dtype == np.float32
    assert speech.samples.ndim == 1
    assert 0.01 < np.abs(speech.samples).max() <= 1
    assert (speech.sample_rate, voice.sample_rate) == (32000, 32000)
    assert speech.seconds == len(speech.samples) / 32000
    assert [(sign.character, sign.position) for sign in speech.unpronounced] == [("😀", 13)]
    assert (speech.speaker, speech.language, speech.voice) == ("ada", "en", voice.version)


def test_it_speaks_by_the_voice_s_generation_config(voice: Voice):
    assert voice.generation == STEADY


def test_a_seed_speaks_the_samples_that_the_stage_speaks(voice: Voice, folder: Path, models: Path, tmp_path: Path):
    synthesize(
        folder,
        tmp_path / "speech",
        models=str(models),
        text=LINE,
        seed=3,
    )
    speech = voice.say(LINE, seed=3)
    saved = speech.save(tmp_path / "said.wav")
    assert saved.read_bytes() == (tmp_path / "speech" / "0001.wav").read_bytes()
    samples, rate = soundfile.read(saved, dtype="int16")
    assert rate == speech.sample_rate
    assert np.array_equal(samples, speech.pcm16())
    assert not np.array_equal(voice.say(LINE, seed=4).samples, speech.samples)


def test_a_line_can_ask_for_another_reference(voice: Voice, folder: Path, models: Path, tmp_path: Path):
    assert voice.references == ("lively",)
    lines = [{"text": "Yes."}, {"text": "Yes.", "reference": "lively"}, {"text": "No.", "reference": "angry"}]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ledger = synthesize(
        folder, tmp_path / "speech", models=str(models), text=str(tmp_path / "lines.jsonl"), word_times=True
    )
    rows = [json.loads(line) for line in (tmp_path / "speech" / "manifest.jsonl").read_text().splitlines()]
    assert [row["reference"] for row in rows] == ["", "lively"]
    assert [row["words"][0]["text"] for row in rows] == ["Yes.", "Yes."]
    (dropped,) = (entry for entry in ledger.entries if entry["outcome"] == "dropped")
    assert dropped["reason"] == "ada has no reference angry; it has lively"
    said = [voice.say("Yes.", reference=name).save(tmp_path / "said.wav").read_bytes() for name in ("", "lively")]
    assert said == [(tmp_path / "speech" / f"000{number}.wav").read_bytes() for number in (1, 2)]
    assert said[0] != said[1]
    assert (tmp_path / "speech" / "0002.vtt").read_text().endswith("\nYes.\n")
    with pytest.raises(InputError, match="no reference angry"):
        voice.say("No.", reference="angry")


class AllButOne:
    """Hears the line in every sound but that of one length."""

    name, trusted_above = "whisper", 0.5

    def __init__(self, wrong: int) -> None:
        self.wrong = wrong

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        is_wrong = abs(len(samples_16k) - self.wrong) < 100
        return Transcript("Beans on toast for everybody" if is_wrong else LINE, "en", 1.0)

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        return [self.transcribe(clip) for clip in clips_16k]


def test_a_line_that_fails_is_mended_as_the_stage_mends_it(
    folder: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Voice.load(folder, models=models, device="cpu") as voice:
        plain = voice.say(LINE, seed=3)
        assert plain.verification is None
        ear = Ear(AllButOne(len(plain.samples) * 16_000 // plain.sample_rate))
        monkeypatch.setattr(verifying, "choose", lambda verify, *_, **__: (verify, ear, None))
        reported = voice.say(LINE, seed=3, verify="report")
        assert np.array_equal(reported.samples, plain.samples)
        assert reported.verification and reported.verification["outcome"] == "failed"
        said = voice.say(LINE, seed=3, verify="mend")
    assert said.verification and (said.verification["outcome"], said.verification["how"]) == ("mended", "seed")
    assert said.seed == 3 != said.verification["seed"] and not np.array_equal(said.samples, plain.samples)
    synthesize(folder, tmp_path / "speech", models=str(models), text=LINE, seed=3, verify="mend")
    row = json.loads((tmp_path / "speech" / "manifest.jsonl").read_text())
    assert row["verification"] == json.loads(json.dumps(said.verification))
    assert soundfile.read(tmp_path / "speech" / row["file"], dtype="int16")[0].tolist() == said.pcm16().tolist()


def test_several_lines_are_spoken_as_each_alone(voice: Voice):
    lines = ["One apple.", "Two pears and a plum.", "Three."]
    together = list(voice.say_all(lines, seed=1, batch_size=2))
    assert [speech.text for speech in together] == lines
    for speech in together:
        alone = voice.say(speech.text, seed=1)
        assert len(alone.samples) == len(speech.samples)
        np.testing.assert_allclose(alone.samples, speech.samples, atol=1e-3)


def test_a_line_is_heard_in_pieces_while_it_is_spoken(voice: Voice):
    stream = voice.stream(LINE, seed=3)
    pieces = list(stream)
    whole = voice.say(LINE, seed=3)
    assert len(pieces) > 1
    assert stream.speech
    assert np.array_equal(np.concatenate(pieces), stream.speech.samples)
    assert len(stream.speech.samples) == len(whole.samples)
    difference = stream.speech.samples - whole.samples
    assert np.sqrt(np.mean(difference**2)) < 0.3 * np.sqrt(np.mean(whole.samples**2))
    with pytest.raises(InputError, match=r"'\.\.\.' cannot be spoken: nothing to speak"):
        list(voice.stream("..."))


def test_a_stream_that_is_closed_early_lets_others_speak(voice: Voice):
    pieces = iter(voice.stream(LINE))
    next(pieces)
    pieces.close()
    assert voice.say("One.").seconds > 0.1


def test_models_and_registry_are_named_by_the_environment(folder: Path, models: Path, tmp_path: Path, monkeypatch):
    publish(folder, open_registry(str(tmp_path / "registry")))
    with pytest.raises(UsageError, match="give `models` or set VOICEMILL_MODELS"):
        Voice.load("ada@latest", registry=tmp_path / "registry")
    monkeypatch.setenv("VOICEMILL_MODELS", str(models))
    monkeypatch.setenv("VOICEMILL_REGISTRY", str(tmp_path / "registry"))
    with Voice.load("ada@latest", device="cpu") as voice:
        assert voice.speaker == "ada"


def test_what_cannot_be_spoken_or_saved_is_refused(voice: Voice, tmp_path: Path):
    with pytest.raises(InputError, match=r"'\.\.\.' cannot be spoken: nothing to speak: the text is empty"):
        voice.say("...")
    with pytest.raises(InputError, match="the speed must lie between 0.25 and 4, not 20"):
        voice.say(LINE, speed=20)
    with pytest.raises(UsageError, match=r"let the name end in \.wav"):
        voice.say("One.").save(tmp_path / "said.mp3")


def test_a_registered_voice_is_loaded_and_freed(folder: Path, models: Path, tmp_path: Path):
    registry = open_registry(str(tmp_path / "registry"))
    version = publish(folder, registry).version
    with Voice.load("ada@latest", models=models, registry=tmp_path / "registry", device="cpu") as voice:
        assert voice.version == version
        assert voice.say("One.").seconds > 0.1
    with pytest.raises(UsageError, match="is closed; load it again"):
        voice.say("Two.")


def test_missing_models_and_voices_are_named(folder: Path, models: Path, tmp_path: Path):
    with Voice.load(folder, models=tmp_path, device="cpu", watermark="off") as loaded:
        assert loaded.say("Yes.").seconds > 0, "English by this voice needs no other model"
        with pytest.raises(MissingModelError, match="voicemill models pull .* bert"):
            loaded.say("你好，世界。", language="zh")
    with pytest.raises(InputError, match="is not a voice"):
        Voice.load(tmp_path, models=models)


def test_onnx_runtime_says_what_torch_says(folder: Path, models: Path):
    with Voice.load(folder, models=models, device="cpu", runtime="onnx", watermark="off") as by_onnx:
        said = by_onnx.say(LINE)
    with Voice.load(folder, models=models, device="cpu", watermark="off") as by_torch:
        wanted = by_torch.say(LINE)
    np.testing.assert_allclose(said.samples, wanted.samples, atol=1e-3)


def test_what_onnx_runtime_does_not_compute_is_refused(folder: Path, models: Path):
    with pytest.raises(UsageError, match="in fp32 or int8, not on cpu in bf16"):
        Voice.load(folder, models=models, device="cpu", runtime="onnx", precision="bf16")
