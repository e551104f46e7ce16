"""Speaking with v3 and v4: rates, chunks, steps, and lines beside one another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gpt_sovits.synthesis.conftest import RECORDING
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.gpt_sovits.synthesis import mel_sound as mel_sound_module
from voicemill.gpt_sovits.synthesis.mel_sound import MelVoice
from voicemill.gpt_sovits.synthesis.recordings import features_of
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.models import locate
from voicemill.synthesis.load import Pretrained

TEXT = "今天下午我们一起去喝茶。"
OPTIONS = Options(max_tokens=20, sample_steps=2)


@pytest.fixture(scope="module")
def speakers(models: Path) -> dict[str, Synthesizer]:
    pretrained = Pretrained(models)
    return {
        name: pretrained.synthesizer(locate(models, "sovits-g", name), locate(models, "gpt", name))
        for name in ("v3", "v4")
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(RECORDING, TEXT, "zh")


@pytest.mark.parametrize(("version", "rate", "frames"), [("v3", 24_000, 93.75), ("v4", 48_000, 100)])
def test_each_version_speaks_at_its_rate(
    speakers: dict[str, Synthesizer], reference: Reference, version: str, rate: int, frames: float
) -> None:
    said = speakers[version].speak("你好。", "zh", reference, options=OPTIONS)
    tokens = said.report["fragments"][0]["tokens"]
    assert said.rate == rate
    assert len(said.samples) == int(tokens / 25 * frames) * rate // frames + int(0.3 * rate)
    assert said.report["seconds"] == pytest.approx(len(said.samples) / rate, abs=1e-3)
    slower = speakers[version].speak("你好。", "zh", reference, speed=0.5, options=OPTIONS)
    assert len(slower.samples) > 1.5 * len(said.samples) - 0.5 * 0.3 * rate


def test_without_the_words_of_the_reference_it_says_what_to_do(speakers: dict[str, Synthesizer]) -> None:
    with pytest.raises(InputError, match="v4 resumes from the words of its reference"):
        speakers["v4"].prepare(Reference(RECORDING))


def test_what_is_known_of_a_reference_gives_the_same_voice(
    speakers: dict[str, Synthesizer], reference: Reference
) -> None:
    synthesizer = speakers["v4"]
    assert isinstance(synthesizer.sovits, MelGenerator)
    found = features_of(reference, synthesizer.sovits, synthesizer.hubert, None, synthesizer.bert)
    once = synthesizer.prepare(reference).voice
    again = synthesizer.prepare(replace(reference, features=found)).voice
    assert isinstance(once, MelVoice) and isinstance(again, MelVoice)
    for one, other in zip(vars(once).values(), vars(again).values(), strict=True):
        assert torch.equal(one, other)


def test_lines_sound_the_same_together_and_alone(speakers: dict[str, Synthesizer], reference: Reference) -> None:
    synthesizer, lines = speakers["v4"], ["你好。", "我们一起去公园散步吧，顺便喝杯热茶！"]
    prompt = synthesizer.prepare(reference)
    scripts = [synthesizer.script(line, "zh", seed=5) for line in lines]
    together = synthesizer.perform(scripts, prompt, Options(max_tokens=20, sample_steps=2, decode_at_once=4))
    for script, said in zip(scripts, together, strict=True):
        alone = synthesizer.perform([script], prompt, OPTIONS)[0]
        np.testing.assert_allclose(said.samples, alone.samples, atol=2e-4)


def test_long_lines_are_drawn_in_chunks_that_resume_from_the_one_before(
    speakers: dict[str, Synthesizer], reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesizer, calls = speakers["v4"], []
    prompt = synthesizer.prepare(reference)
    frames = prompt.voice.frames  # pyright: ignore[reportAttributeAccessIssue]
    drawn = mel_sound_module.sample

    def noted(estimator, features, given, *rest):
        calls.append((features.shape[-1], given))
        made = drawn(estimator, features, given, *rest)
        calls[-1] += (made,)
        return made

    from dataclasses import replace

    monkeypatch.setattr(mel_sound_module, "sample", noted)
    monkeypatch.setattr(synthesizer.sound, "mel", replace(synthesizer.sound.mel, chunk_frames=frames + 30))
    script = synthesizer.script("我们一起去公园散步吧", "zh", text_split="cut0")
    said = synthesizer.perform([script], prompt, OPTIONS)[0]
    tokens = said.report["fragments"][0]["tokens"]
    assert len(calls) == -(-4 * tokens // 30) > 1
    assert [length for length, *_ in calls[:2]] == [frames + 30, min(frames, 30) + min(30, 4 * tokens - 30)]
    assert torch.equal(calls[1][1][0], calls[0][2][0][:, frames:][:, -frames:])


def test_steps_and_guidance_change_what_is_heard(speakers: dict[str, Synthesizer], reference: Reference) -> None:
    synthesizer = speakers["v3"]
    prompt = synthesizer.prepare(reference)
    heard = [
        synthesizer.speak("你好。", "zh", prompt, options=Options(max_tokens=8, sample_steps=steps, guidance=guidance))
        for steps, guidance in ((2, 0.0), (3, 0.0), (2, 1.0), (2, 0.0))
    ]
    assert (heard[0].samples == heard[3].samples).all()
    assert (heard[0].samples != heard[1].samples).any() and (heard[0].samples != heard[2].samples).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("version", ["v3", "v4"])
def test_half_precision_says_the_same(
    speakers: dict[str, Synthesizer],
    reference: Reference,
    version: str,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synthesizer, mels = speakers[version], []
    vocode = synthesizer.sound.vocode  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setattr(synthesizer.sound, "vocode", lambda mel: mels.append(mel) or vocode(mel))

    def speak() -> np.ndarray:
        script = synthesizer.script("你好。", "zh", seed=5)
        return synthesizer.perform([script], synthesizer.prepare(reference), OPTIONS)[0].samples

    exact = speak()
    monkeypatch.setattr(synthesizer.sound, "autocast", lambda: torch.autocast("cpu", dtype))
    said = speak()
    assert said.dtype == np.float32 and said.shape == exact.shape and np.isfinite(said).all()
    assert (mels[0] - mels[1]).abs().max() < 0.05 * mels[0].abs().max()
    assert not torch.equal(*mels)
