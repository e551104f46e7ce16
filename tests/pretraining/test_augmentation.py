import numpy as np
import pytest

from tests.speech import speech
from voicemill.pretraining.augmentation import SNR_DB, disguise


def test_the_same_dice_disguise_the_same_way_and_others_otherwise() -> None:
    wav = speech(1.0)
    one, same, other = (disguise(wav, 16_000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("seed", range(4))
def test_length_and_level_stay(seed: int) -> None:
    wav = speech(1.0)
    changed = disguise(wav, 16_000, np.random.default_rng(seed))
    assert changed.shape == wav.shape and changed.dtype == np.float32
    # The most noise adds 10^-0.5 of the power.
    most = np.sqrt(1 + 10 ** (-SNR_DB[0] / 10))
    level = np.sqrt(np.mean(changed**2) / np.mean(wav**2))
    assert 0.9 < level < 1.1 * most
