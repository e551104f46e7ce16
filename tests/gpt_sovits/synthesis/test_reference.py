from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.factories import RECORDING
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.synthesis import Reference, Synthesizer
from voicemill.gpt_sovits.synthesis.reference import voice_of


def cut(target: Path, seconds: float, gain: float = 1.0) -> Path:
    samples, rate = soundfile.read(RECORDING, dtype="float32")
    samples = np.resize(samples, round(seconds * rate)) * gain
    soundfile.write(target, samples, rate, subtype="FLOAT")
    return target


@pytest.mark.parametrize("seconds", [2.9, 10.1])
def test_a_reference_of_another_length_is_refused_with_its_length(
    synthesizer: Synthesizer, tmp_path: Path, seconds: float
):
    file = cut(tmp_path / "clip.wav", seconds)
    with pytest.raises(InputError, match=rf"clip.wav lasts {seconds}0 s, but a reference must last 3 to 10 s"):
        synthesizer.prepare(Reference(file, "你好。", "zh"))


@pytest.mark.parametrize("seconds", [3.0, 10.0])
def test_a_reference_may_be_as_short_or_long_as_that(synthesizer: Synthesizer, tmp_path: Path, seconds: float):
    prompt = synthesizer.prepare(Reference(cut(tmp_path / "clip.wav", seconds), "你好。", "zh"))
    assert prompt.tokens is not None
    assert abs(len(prompt.tokens) - 25 * (seconds + 0.6)) <= 1


def test_without_a_text_only_the_voice_is_taken(synthesizer: Synthesizer):
    prompt = synthesizer.prepare(Reference(RECORDING))
    assert prompt.tokens is None
    assert prompt.text is None
    assert len(prompt.voice.spectrograms) == 1


def test_further_recordings_count_whatever_their_length(synthesizer: Synthesizer, tmp_path: Path):
    other = cut(tmp_path / "other.wav", 1.0)
    prompt = synthesizer.prepare(Reference(RECORDING, "你好。", "zh", (other,)))
    assert [spec.shape[-1] for spec in prompt.voice.spectrograms][1] == 50


def test_a_reference_beyond_full_scale_is_heard_as_if_it_were_not(tmp_path: Path):
    full, loud = (cut(tmp_path / f"{gain}.wav", 3.0, gain) for gain in (1.0, 1.9))
    peak = float(np.abs(soundfile.read(full)[0]).max())
    once, twice = (voice_of([file], None, torch.device("cpu")).spectrograms[0] for file in (full, loud))
    expected = once * min(1.9, 1 / peak)
    torch.testing.assert_close(twice, expected, rtol=1e-3, atol=1e-2)


def test_a_text_that_cannot_be_pronounced_is_refused(synthesizer: Synthesizer):
    with pytest.raises(InputError, match="reference's text"):
        synthesizer.prepare(Reference(RECORDING, "שלום", "en"))
