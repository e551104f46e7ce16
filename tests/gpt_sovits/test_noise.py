"""What NumPy draws for a seed is what torch draws."""

import numpy as np
import pytest
import torch

from voicemill.gpt_sovits import noise

SEEDS = (0, 1, 123_456_789, 2**32 + 17, 2**55 + 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_numbers_are_torchs(seed: int):
    drawn = torch.randn(48 * 192, generator=torch.Generator().manual_seed(seed))
    np.testing.assert_allclose(noise.normal(seed, 48 * 192), drawn.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_exponential_numbers_are_torchs(seed: int):
    generator, twister = torch.Generator().manual_seed(seed), noise.twister(seed)
    for _ in range(3):
        drawn = torch.empty(32, 1025).exponential_(generator=generator).clamp_min_(1e-20)
        np.testing.assert_allclose(noise.exponential(twister, 32 * 1025), drawn.flatten().numpy(), rtol=1e-6)


def test_parts_of_a_group_are_refused():
    with pytest.raises(ValueError, match="groups of 16"):
        noise.normal(0, 24)


def test_noise_depends_on_the_seed_alone():
    shape = (1, 4, 5)
    assert np.array_equal(noise.seeded_noise(3, shape), noise.seeded_noise(3, shape))
    assert not np.array_equal(noise.seeded_noise(3, shape), noise.seeded_noise(4, shape))


def test_a_frames_noise_does_not_depend_on_how_many_follow():
    long = noise.seeded_noise(3, (1, 192, 301))
    assert abs(long.mean()) < 0.02 and abs(long.std() - 1) < 0.02
    for frames in (1, 16, 47, 300):
        assert np.array_equal(noise.seeded_noise(3, (1, 192, frames)), long[..., :frames])
