from __future__ import annotations

import hashlib

import pytest
import torch
from torch import Tensor, nn

from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.sovits.attention import WINDOW, band_to_square, square_to_band
from voicemill.gpt_sovits.sovits.config import SovitsConfig, Version
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import cut_segments, length_mask
from voicemill.gpt_sovits.sovits.model import Generator, Lengths

# Digests of the published files' keys and shapes.
GENERATORS: dict[Version, tuple[int, str]] = {
    "v1": (776, "389aa35c1332fd8f1a45c7219fb37e9c4a68f2b61b9c1afd3aa319ae8afb219f"),
    "v2": (776, "47c4b0f3b4c38fa3acc497ab54a6bbada75509c97d7ac08255308733aed75871"),
    "v2Pro": (781, "6110db08cd0fe6a47eba158e990f8854969b4498cc03d1a9391ba5addda9d282"),
    "v2ProPlus": (781, "00e1e3bff42eb240d6ace16c51e65cb1a70675e74316dde13281dc06eb94bcf0"),
}
DISCRIMINATORS: dict[Version, tuple[int, str]] = {
    "v2": (111, "2fab5aea720dbf4082f18ce96879601efb2c54d4e5c028ea1679a21b9bc24a78"),
    "v2Pro": (147, "5dd9363e983aaf3a4fb3d133ce3cb7ad632d75cf7e7749f9745a2b3b206c8a42"),
    "v2ProPlus": (147, "5dd9363e983aaf3a4fb3d133ce3cb7ad632d75cf7e7749f9745a2b3b206c8a42"),
}


def signature(module: nn.Module) -> tuple[int, str]:
    state = module.state_dict()
    lines = [f"{key} {list(value.shape)}" for key, value in sorted(state.items())]
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


def small_generator(version: Version = "v2") -> Generator:
    torch.manual_seed(3)
    config = SovitsConfig(
        version, inter_channels=8, hidden_channels=16, filter_channels=16, n_layers=2, upsample_initial_channel=32
    )
    model = Generator(config)
    # The couplings' last layers begin at zero, which would make the flow do nothing.
    for coupling in model.flow.flows.values():
        nn.init.normal_(coupling.get_submodule("post").weight, std=0.3)
    return model.eval()


@pytest.mark.parametrize("version", GENERATORS)
def test_a_generator_has_the_keys_and_shapes_of_the_published_files(version: Version) -> None:
    with torch.device("meta"):
        assert signature(Generator(SovitsConfig.of(version))) == GENERATORS[version]


@pytest.mark.parametrize("version", DISCRIMINATORS)
def test_a_discriminator_has_the_keys_and_shapes_of_the_published_files(version: Version) -> None:
    with torch.device("meta"):
        assert signature(Discriminator(SovitsConfig.of(version).discriminator_periods)) == DISCRIMINATORS[version]


@pytest.mark.parametrize("frames", [1, 3, 5, 12])
def test_values_per_distance_land_on_the_keys_at_that_distance(frames: int) -> None:
    band = torch.randn(2, 3, frames, 2 * WINDOW + 1)
    square = band_to_square(band)
    back = square_to_band(square)
    for t in range(frames):
        for s in range(frames):
            near = abs(s - t) <= WINDOW
            expected = band[..., t, s - t + WINDOW] if near else torch.zeros(2, 3)
            assert torch.equal(square[..., t, s], expected)
            if near:
                assert torch.equal(back[..., t, s - t + WINDOW], expected)


@pytest.mark.parametrize("packed", [False, True])
@torch.inference_mode()
def test_items_of_a_padded_batch_sound_as_they_do_alone(packed: bool) -> None:
    model = small_generator().for_inference()
    if packed:
        pack_vocoder(model)
    lengths = Lengths(torch.tensor([9, 4]), torch.tensor([3, 7]))
    codes, phones = torch.randint(0, 1024, (2, 1, 9)), torch.randint(0, 700, (2, 7))
    reference, noise = [torch.rand(1, 1025, 30)], torch.randn(2, 8, 18)
    together = model.decode(codes, phones, reference, noise=noise, lengths=lengths)
    for i, (tokens, phonemes) in enumerate([(9, 3), (4, 7)]):
        alone = model.decode(
            codes[i : i + 1, :, :tokens],
            phones[i : i + 1, :phonemes],
            reference,
            noise=noise[i : i + 1, :, : 2 * tokens],
        )
        torch.testing.assert_close(together[i : i + 1, :, : 1280 * tokens], alone, rtol=1e-4, atol=1e-5)


def test_the_flow_reversed_gives_back_what_it_was_given() -> None:
    model = small_generator()
    z, g = torch.randn(2, 8, 20), torch.randn(2, 512, 1)
    mask = length_mask(torch.tensor([20, 13]), 20)
    z = z * mask
    there = model.flow(z, mask, g)
    assert not torch.allclose(there, z, atol=0.1)
    torch.testing.assert_close(model.flow.reverse(there, mask, g), z, atol=1e-5, rtol=1e-5)


def speech(model: Generator, codes: Tensor, phones: Tensor, **options) -> Tensor:
    torch.manual_seed(0)
    vectors = [torch.randn(1, 20480)] if model.config.is_pro else None
    return model.decode(codes, phones, [torch.rand(1, 1025, 30)], speaker_vectors=vectors, noise_scale=0.0, **options)


@pytest.mark.parametrize("version", ["v1", "v2", "v2Pro", "v2ProPlus"])
def test_folding_weight_norm_changes_nothing_that_is_heard(version: Version) -> None:
    model = small_generator(version)
    codes, phones = torch.randint(0, 1024, (1, 1, 10)), torch.randint(0, 322, (1, 7))
    before = speech(model, codes, phones)
    after = speech(model.for_inference(), codes, phones)
    assert after.shape == (1, 1, 10 * 1280)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-5)


def test_lines_of_one_length_decode_together_as_they_do_alone() -> None:
    model = small_generator()
    codes, phones = torch.randint(0, 1024, (3, 1, 12)), torch.randint(0, 732, (3, 9))
    together = speech(model, codes, phones)
    alone = torch.cat([speech(model, codes[i : i + 1], phones[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_twice_the_speed_takes_half_the_time() -> None:
    model = small_generator()
    codes, phones = torch.randint(0, 1024, (1, 1, 20)), torch.randint(0, 732, (1, 9))
    assert speech(model, codes, phones, speed=2.0).shape[-1] == 21 * 640


def test_a_frozen_quantizer_stays_as_it_is_in_training() -> None:
    model = small_generator().train()
    before = model.codebook.embed.clone()
    quantized, commit = model.quantizer(torch.randn(2, 768, 10))
    assert torch.equal(model.codebook.embed, before) and float(commit) == 0
    assert not quantized.requires_grad


def test_segments_begin_where_they_are_cut_and_end_in_zeros_beyond_the_clip() -> None:
    x = torch.arange(1, 11.0).repeat(2, 1, 1)
    cut = cut_segments(x, torch.tensor([0, 6]), 4)
    assert cut[:, 0].tolist() == [[1, 2, 3, 4], [7, 8, 9, 10]]
    assert cut_segments(x[..., :3], torch.tensor([0, 0]), 4)[0, 0].tolist() == [1, 2, 3, 0]
