"""A clip that begins or ends in a word is told from one with silence around it."""

import numpy as np
import pytest

from tests.speech import speech
from voicemill.asr.edges import cut_edges

RATE = 16_000
SILENCE = np.zeros(RATE // 4, np.float32)


@pytest.fixture(scope="module")
def said() -> np.ndarray:
    return speech(2.0)


def test_speech_between_silences_is_whole(said: np.ndarray) -> None:
    assert cut_edges(np.concatenate([SILENCE, said, SILENCE]), RATE) == []


def test_each_end_is_told(said: np.ndarray) -> None:
    level = np.convolve(np.abs(said), np.ones(480) / 480, "same")
    loudest = int(np.argmax(level[len(said) // 4 : -len(said) // 4])) + len(said) // 4
    assert cut_edges(np.concatenate([SILENCE, said[:loudest]]), RATE) == ["cut-end"]
    assert cut_edges(np.concatenate([said[loudest:], SILENCE]), RATE) == ["cut-start"]


@pytest.mark.parametrize("samples", [0, 100, 1_000])
def test_too_short_a_clip_tells_nothing(samples: int) -> None:
    assert cut_edges(np.ones(samples, np.float32), RATE) == []
