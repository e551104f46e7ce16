import numpy as np
import torch

from voicemill.gpt_sovits.synthesis.waveform import cross_fade, join, pcm16


def test_a_fragment_is_made_softer_only_where_it_is_beyond_full_scale():
    joined = join([torch.tensor([0.5, -0.5]), torch.tensor([2.0, -1.0])], pause_samples=1)
    assert joined.tolist() == [0.5, -0.5, 0.0, 1.0, -0.5, 0.0]


def test_full_scale_does_not_wrap_around_to_a_click():
    loud = np.array([1.0, -1.0, 1.5, -1.5, 0.0], dtype=np.float32)
    assert pcm16(loud).tolist() == [32767, -32768, 32767, -32768, 0]
    assert pcm16(loud, wrap=True)[0] == -32768


def test_two_parts_of_one_sound_join_without_a_seam():
    time = torch.arange(6000) / 100
    whole = torch.sin(time) * torch.cos(time / 7)
    joined = cross_fade(whole[:3200], whole[2300:], overlap=800)
    torch.testing.assert_close(joined, whole, atol=1e-4, rtol=0)
