import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import levels


@pytest.mark.parametrize("gain", [0.003, 0.3, 1, 4])
def test_the_peak_lands_on_the_target_whatever_it_was(gain):
    levelled, gain_db = levels.to_peak(speech(1) * np.float32(gain))
    assert levels.peak_dbfs(levelled) == pytest.approx(-7.5, abs=0.01)
    assert gain_db == pytest.approx(-7.5 - levels.decibels(0.5 * gain), abs=0.2)


def test_a_constant_offset_is_taken_out():
    levelled, _ = levels.to_peak(speech(1) * np.float32(0.5) + np.float32(0.3))
    assert abs(levelled.mean()) < 1e-4
    assert levels.peak_dbfs(levelled) == pytest.approx(-7.5, abs=0.01)


def test_silence_is_left_alone():
    for silence in (np.zeros(1000, np.float32), speech(1) * np.float32(0.001)):
        levelled, gain_db = levels.to_peak(silence)
        assert np.array_equal(levelled, silence) and gain_db == 0
