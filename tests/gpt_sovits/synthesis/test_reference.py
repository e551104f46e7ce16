from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from tests.factories import RECORDING
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis import Reference
from voicemill.gpt_sovits.synthesis.latent_sound import Voice
from voicemill.gpt_sovits.synthesis.recordings import features_of, levelled, speaker_embedding
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer


def cut(target: Path, seconds: float, gain: float = 1.0) -> Path:
    samples, rate = soundfile.read(RECORDING, dtype="float32")
    samples = np.resize(samples, round(seconds * rate)) * gain
    soundfile.write(target, samples, rate, subtype="FLOAT")
    return target


def embedding(synthesizer: Synthesizer, file: Path) -> Tensor:
    return speaker_embedding(file, synthesizer.sovits, None)


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
    assert isinstance(prompt.voice, Voice)
    assert torch.equal(prompt.voice.g_1G1, embedding(synthesizer, RECORDING))


def test_further_recordings_count_whatever_their_length(synthesizer: Synthesizer, tmp_path: Path):
    other = cut(tmp_path / "other.wav", 1.0)
    prompt = synthesizer.prepare(Reference(RECORDING, "你好。", "zh", (other,)))
    assert isinstance(prompt.voice, Voice)
    both = (embedding(synthesizer, RECORDING) + embedding(synthesizer, other)) / 2
    torch.testing.assert_close(prompt.voice.g_1G1, both)


def test_a_reference_beyond_full_scale_is_heard_as_if_it_were_not(tmp_path: Path):
    full, loud = (cut(tmp_path / f"{gain}.wav", 3.0, gain) for gain in (1.0, 1.9))
    peak = float(np.abs(soundfile.read(full)[0]).max())
    once, twice = (levelled(file) for file in (full, loud))
    torch.testing.assert_close(twice, once * min(1.9, 1 / peak), rtol=1e-3, atol=1e-4)


def test_what_is_known_of_a_reference_is_not_looked_for_again(synthesizer: Synthesizer, tmp_path: Path):
    other = cut(tmp_path / "other.wav", 1.0)
    reference = Reference(RECORDING, "你好。", "zh", (other,))
    assert isinstance(synthesizer.sovits, Generator)
    found = features_of(reference, synthesizer.sovits, synthesizer.hubert, None, synthesizer.bert)

    def absent(_: object) -> Tensor:
        raise AssertionError("a model was asked")

    alone = replace(synthesizer, hubert=absent, bert=absent)
    once, again = synthesizer.prepare(reference), alone.prepare(replace(reference, features=found))
    assert once.tokens is not None and again.tokens is not None and np.array_equal(once.tokens, again.tokens)
    assert once.text is not None and again.text is not None and again.text.phones == once.text.phones
    assert np.array_equal(once.text.bert_CX, again.text.bert_CX)
    assert isinstance(once.voice, Voice) and isinstance(again.voice, Voice)
    assert torch.equal(once.voice.g_1G1, again.voice.g_1G1)
    without_text = alone.prepare(replace(reference, text="", features=found))
    assert without_text.tokens is None and without_text.text is None


def test_a_text_that_cannot_be_pronounced_is_refused(synthesizer: Synthesizer):
    with pytest.raises(InputError, match="reference's text"):
        synthesizer.prepare(Reference(RECORDING, "שלום", "en"))
