from dataclasses import replace

import pytest
import torch

from voicemill.gpt_sovits.sovits import vocoder as under_test
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.layers import NormedConvTranspose1d, channels_together
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes

CONFIG = SovitsConfig(upsample_initial_channel=64, inter_channels=32, gin_channels=16)


@pytest.mark.parametrize(("kernel", "stride"), [(16, 10), (20, 10), (8, 4), (4, 2), (5, 1)])
def test_a_transposed_convolution_with_channels_together_is_the_same(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = NormedConvTranspose1d(6, 5, kernel, stride, padding=(kernel - stride) // 2)
    x_BCT = torch.randn(2, 6, 9)
    apart, together = layer(x_BCT), layer(channels_together(x_BCT)).squeeze(2)
    torch.testing.assert_close(together, apart)


def test_a_narrow_vocoder_learns_the_same_with_channels_together(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, resblock_kernel_sizes=(3, 5), resblock_dilation_sizes=((1, 3), (1, 9)))
    vocoder = Vocoder(VocoderSizes.of(config))
    z_BCT, g_BG1 = torch.randn(2, 32, 5), torch.randn(2, 16, 1)
    found = []
    for narrow in (64, 0):
        monkeypatch.setattr(under_test, "NARROW", narrow)
        vocoder.zero_grad()
        wav_B1L = vocoder(z_BCT, g_BG1)
        wav_B1L.square().mean().backward()
        gradients = {name: p.grad for name, p in vocoder.named_parameters() if p.grad is not None}
        found.append((wav_B1L, gradients))
    (together, learnt), (apart, expected) = found
    torch.testing.assert_close(together, apart)
    assert len(expected) == len(list(vocoder.parameters()))
    for name, gradient in expected.items():
        torch.testing.assert_close(learnt[name], gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max()), msg=name)
