"""The acoustic graph makes the sound that the generator makes, at every length and speed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from voicemill.gpt_sovits.formats.checkpoints import build_generator, load_sovits
from voicemill.gpt_sovits.onnx.acoustic_graph import INPUTS, acoustic_graph
from voicemill.gpt_sovits.onnx.session import session
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.models.layout import place
from voicemill.models.toy.sovits import make_sovits


@pytest.fixture(scope="module", params=["v2", "v2Pro"])
def generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    folder: Path = tmp_path_factory.mktemp("toy")
    make_sovits(folder, version=request.param)
    return build_generator(load_sovits(folder / place("sovits-g", request.param)))


@torch.no_grad()
def test_it_sounds_as_the_generator(generator: Generator) -> None:
    runs = session(acoustic_graph(generator).SerializeToString())
    rng = torch.Generator().manual_seed(2)
    spectrogram = torch.rand(1, 1025, 80, generator=rng)
    vectors = [torch.randn(1, 20480, generator=rng)] if generator.config.is_pro else None
    speaker = generator.reference([spectrogram], vectors)
    for count, phones, speed in ((30, 20, 1.0), (9, 5, 1.0), (41, 33, 1.5), (20, 12, 0.8)):
        tokens = torch.randint(0, 1024, (1, 1, count), generator=rng)
        said = torch.randint(1, 300, (1, phones), generator=rng)
        frames = count * generator.token_frames
        spoken = frames if speed == 1 else int(frames / speed) + 1
        noise = torch.randn(1, generator.config.inter_channels, spoken, generator=rng)
        wanted = generator.decode(
            tokens, said, [spectrogram], noise_scale=0.5, speed=speed, speaker_vectors=vectors, noise=noise
        )
        each_frame = tokens[0].repeat_interleave(generator.token_frames, dim=1)
        given = (each_frame, said, speaker, noise, torch.tensor(0.5), torch.tensor(0))
        inputs = dict(zip(INPUTS, (value.numpy() for value in given), strict=True))
        (got,) = runs.run(None, inputs)
        assert got.shape == (1, wanted.shape[-1])
        np.testing.assert_allclose(got, wanted[:, 0].numpy(), atol=1e-4 * float(wanted.abs().max()))

        # From a later frame on the vocoder hears nothing before it, which is heard for a few frames.
        (rest,) = runs.run(None, inputs | {"first": np.array(2)})
        samples = got.shape[1] // spoken
        assert rest.shape == (1, got.shape[1] - 2 * samples)
