"""Noise and reverberation are measured; benchmarks/quality_gates.py has the figures over many recordings."""

import numpy as np
import pytest
from speechmos import dnsmos as published

from tests.speech import speech
from voicemill.audio import quality


def room(seconds: float) -> np.ndarray:
    tail = np.random.default_rng(0).standard_normal(int(seconds * 16_000))
    tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail)) * 0.03
    tail[0] = 1
    return tail


def test_the_scores_are_those_of_the_published_tool():
    window = speech(9.01)
    sig, bak, ovrl = quality.dnsmos(window)
    theirs = published.run(window, 16_000)
    assert isinstance(theirs, dict)
    assert [sig, bak, ovrl] == pytest.approx([theirs["sig_mos"], theirs["bak_mos"], theirs["ovrl_mos"]], abs=1e-3)


def test_clean_speech_needs_nothing():
    clean = quality.measure(speech(9), 16_000)
    assert not clean.noisy and not clean.reverberant


def test_noise_is_heard_and_not_taken_for_reverberation():
    wave = speech(9)
    noise = np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32) * wave.std() / 3
    noisy = quality.measure(wave + noise, 16_000)
    assert noisy.noisy and not noisy.reverberant


@pytest.mark.parametrize("seconds", [0.6, 1.2])
def test_reverberation_is_heard_at_any_level(seconds):
    wave = speech(9)
    wet = np.convolve(wave, room(seconds))[: len(wave)].astype(np.float32)
    assert quality.measure(wet * np.float32(0.01), 16_000).reverberant
    assert quality.measure(wet, 16_000).decay < quality.measure(wave, 16_000).decay


def test_silence_and_the_shortest_recording_can_be_measured():
    for wave in (np.zeros(16_000, np.float32), speech(0.1)):
        assert quality.measure(wave, 16_000).decay is None


def test_long_recordings_are_sampled():
    assert len(quality._excerpts(np.resize(speech(9), 3600 * 16_000), 16_000)) == quality.MAX_WINDOWS


def test_gates():
    decisions = [quality.opens(gate, needed) for gate in ("auto", "always", "never") for needed in (False, True)]
    assert decisions == [False, True, True, True, False, False]
