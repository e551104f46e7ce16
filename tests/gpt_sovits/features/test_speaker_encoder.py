from pathlib import Path

import pytest
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.features import speaker_encoder


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return speaker_encoder.SpeakerEncoder().state_dict()


def test_a_recording_becomes_one_vector_whatever_its_length(weights: dict[str, torch.Tensor]):
    encode = speaker_encoder.build({**weights, "seg_1.weight": torch.zeros(192, 20480)})
    sound = torch.randn(1, 16000, generator=torch.Generator().manual_seed(1)) / 10
    for samples in (sound, sound[:, :5000]):
        vector = encode(samples)
        assert vector.shape == (1, 20480)
        assert vector.isfinite().all()


def test_too_little_sound_is_refused():
    with pytest.raises(InputError, match="20 ms"):
        speaker_encoder.filter_bank(torch.zeros(1, 320))


def test_other_weights_are_refused(weights: dict[str, torch.Tensor]):
    with pytest.raises(InputError, match="not the weights of the speaker encoder"):
        speaker_encoder.build({key: value for key, value in weights.items() if not key.startswith("layer4")})


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path):
    file = tmp_path / "encoder.ckpt"
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="read safely"):
        speaker_encoder.load(file)
