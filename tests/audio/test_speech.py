import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio.speech import has_speech, probabilities, spoken_seconds


@pytest.mark.parametrize("gain", [1, 0.002, 3])
def test_speech_is_found_at_any_level_and_under_noise(gain):
    wave = speech(3)
    noise = np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32) * wave.std()
    assert has_speech(wave * np.float32(gain), 16_000)
    assert has_speech((wave + noise) * np.float32(gain), 16_000)


def test_noise_tones_and_silence_are_no_speech():
    times = np.arange(64_000) / 16_000
    chord = sum(np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330)).astype(np.float32) / 4
    noise = np.random.default_rng(0).standard_normal(64_000).astype(np.float32)
    for wave in (chord, noise * 0.2, noise * 0.001, np.zeros(64_000, np.float32), np.zeros(0, np.float32)):
        assert not has_speech(wave, 16_000)


def test_speech_is_found_where_it_is():
    silence = np.zeros(32_000, np.float32)
    found = probabilities(np.concatenate([silence, speech(3), silence]), 16_000) > 0.5
    seconds = np.flatnonzero(found) * 512 / 16_000
    assert 1.9 < seconds[0] < 3 and 3.5 < seconds[-1] < 5.3


def test_silence_around_speech_takes_no_time():
    silence = np.zeros(16_000, np.float32)
    alone = spoken_seconds(speech(2.0), 16_000)
    surrounded = spoken_seconds(np.concatenate([silence, speech(2.0), silence, silence]), 16_000)
    assert surrounded == pytest.approx(alone, abs=0.2) and 1 < alone <= 2.1
    assert spoken_seconds(silence, 16_000) == 0
