import numpy as np

from voicemill.gpt_sovits.synthesis.waveform import cross_fade, join, pcm16


def test_a_fragment_is_made_softer_only_where_it_is_beyond_full_scale():
    joined = join([np.array([0.5, -0.5]), np.array([2.0, -1.0])], pause_samples=1)
    assert joined.tolist() == [0.5, -0.5, 0.0, 1.0, -0.5, 0.0]


def test_full_scale_does_not_wrap_around_to_a_click():
    loud = np.array([1.0, -1.0, 1.5, -1.5, 0.0], dtype=np.float32)
    assert pcm16(loud).tolist() == [32767, -32768, 32767, -32768, 0]
    assert pcm16(loud, wrap=True)[0] == -32768


def test_two_parts_of_one_sound_join_without_a_seam():
    time = np.arange(6000, dtype=np.float32) / 100
    whole = np.sin(time) * np.cos(time / 7)
    joined = cross_fade(whole[:3200], whole[2300:], overlap=800)
    np.testing.assert_allclose(joined, whole, atol=1e-4, rtol=0)
