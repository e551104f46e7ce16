import pytest
import torch

from voicemill.gpt_sovits.kernels import packed_vocoder
from voicemill.gpt_sovits.kernels.packed_vocoder import PackedVocoder, has_bfloat16
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.layers import fold_weight_norm
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes

# What this processor can compute in, with how near to fp32 it comes.
DTYPES = [(torch.float32, 1e-5)]
if has_bfloat16():
    DTYPES.append((torch.bfloat16, 0.1))


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("tile", [2**19, 1000], ids=["at once", "in tiles"])
@torch.inference_mode()
def test_the_packed_vocoder_sounds_the_same(
    dtype: torch.dtype, tolerance: float, tile: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packed_vocoder, "TILE", tile)
    torch.manual_seed(0)
    config = SovitsConfig(upsample_initial_channel=64, inter_channels=32, gin_channels=16)
    vocoder = Vocoder(VocoderSizes.of(config)).eval()
    fold_weight_norm(vocoder)
    z, g = torch.randn(2, 32, 9), torch.randn(2, 16, 1)
    exact, packed = vocoder(z, g), PackedVocoder(vocoder, dtype)(z, g)
    assert packed.shape == exact.shape == (2, 1, 9 * 640)
    assert float((packed - exact).norm() / exact.norm()) < tolerance
