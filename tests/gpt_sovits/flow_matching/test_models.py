"""The models of v3 and v4: names and sizes of the published ones, and that company does not matter."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from tests.shared import SHARED
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.bigvgan import BigVgan, BigVganSizes, Filter
from voicemill.gpt_sovits.flow_matching.dit import BANDS, DitSizes
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.flow_matching.sampling import sample
from voicemill.gpt_sovits.formats import checkpoints, pickle_writer
from voicemill.gpt_sovits.formats.vocoders import load_vocoder, plain
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.model import Lengths
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes
from voicemill.gpt_sovits.versions import VERSIONS, Version, spec
from voicemill.models import locate

V4_VOCODER = VocoderSizes(BANDS, 512, (10, 6, 2, 2, 2), (20, 12, 4, 4, 4), final_bias=True)


def full_size(version: Version) -> MelGenerator:
    with torch.device("meta"):
        return MelGenerator(SovitsConfig.of(version), DitSizes())


def shapes(weights: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in weights.items()}


def full_size_lora() -> dict[str, torch.Tensor]:
    model = full_size("v4")
    with torch.device("meta"):
        lora.add_lora(model.estimator, 32)
    return lora.of_lora_file(model.state_dict())


def plain_vocoder() -> dict[str, torch.Tensor]:
    return plain(Vocoder(V4_VOCODER))


@pytest.mark.parametrize(
    ("make", "tensors", "values", "file"),
    [
        (lambda: full_size("v3").state_dict(), 685, 384_394_985, "keys/s2G_v3.json"),
        (lambda: full_size("v4").state_dict(), 685, 384_394_985, "keys/s2G_v4.json"),
        (
            lambda: BigVgan(BigVganSizes()).state_dict(),
            783,
            112_448_905,
            "v34/keys/g_v34_bigvgan_v2_24khz_100band_256x.json",
        ),
        (plain_vocoder, None, None, "v34/keys/g_v34_vocoder_v4.json"),
        (full_size_lora, 258, None, "v34/keys/g_v34_lora_v4_r32.json"),
    ],
    ids=["v3", "v4", "bigvgan", "vocoder", "lora"],
)
def test_full_size_models_have_the_names_and_shapes_of_the_published_ones(make, tensors, values, file) -> None:
    found = shapes(make())
    assert tensors in (None, len(found))
    assert values in (None, sum(torch.Size(shape).numel() for shape in found.values()))
    if SHARED and (SHARED / "parity" / file).is_file():
        published = json.loads((SHARED / "parity" / file).read_text())["keys"]
        assert found == {key: shape for key, (shape, _) in published.items()}


@pytest.mark.parametrize("version", ["v3", "v4"])
@torch.no_grad()
def test_an_item_is_the_same_alone_and_beside_a_longer_one(models: Path, version: Version) -> None:
    model = checkpoints.build_mel_generator(checkpoints.load_sovits(locate(models, "sovits-g", version)))
    rng = torch.Generator().manual_seed(0)
    tokens = [torch.randint(1024, (n,), generator=rng) for n in (17, 9)]
    phones = [torch.randint(732, (n,), generator=rng) for n in (12, 7)]
    g = model.speaker(torch.rand(1, 1025, 20, generator=rng))
    together = model.features(
        torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True).unsqueeze(1),
        torch.nn.utils.rnn.pad_sequence(phones, batch_first=True),
        g.expand(2, -1, -1),
        lengths=Lengths.of(tokens, phones, torch.device("cpu")),
    )
    frames = [model.frames(len(row)) for row in tokens]
    alone = [model.features(t.view(1, 1, -1), p.view(1, -1), g) for t, p in zip(tokens, phones, strict=True)]
    for row, single, n in zip(together, alone, frames, strict=True):
        assert single.shape[-1] == n
        torch.testing.assert_close(row[:, :n], single[0], rtol=1e-4, atol=1e-5)
    noise, prompt = torch.randn(2, BANDS, frames[0], generator=rng), torch.randn(2, BANDS, 5, generator=rng)
    lengths = torch.tensor(frames)
    drawn = sample(model.estimator, together, prompt, noise, 3, 0.5, lengths)
    for i, n in enumerate(frames):
        single = sample(model.estimator, alone[i], prompt[i : i + 1], noise[i : i + 1, :, :n], 3, 0.5)
        torch.testing.assert_close(drawn[i, :, :n], single[0], rtol=1e-4, atol=1e-4)
    assert (drawn[..., :5] == 0).all()


def test_a_filter_up_and_down_leaves_slow_changes_as_they_are() -> None:
    wave = torch.sin(torch.arange(200) / 9).unsqueeze(0)
    doubled = Filter().up(wave)
    assert doubled.shape[-1] == 400
    torch.testing.assert_close(Filter().down(doubled)[:, 10:-10], wave[:, 10:-10], rtol=0, atol=5e-3)


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_vocoder_speaks_as_many_samples_a_frame_as_the_version_says(models: Path, version: str) -> None:
    mel = spec(version).mel
    assert mel is not None
    wav = load_vocoder(locate(models, "vocoder", version))(torch.randn(1, BANDS, 7))
    assert wav.shape == (1, 1, 7 * mel.frame_samples) and wav.abs().max() <= 1


def test_a_vocoder_that_is_none_is_refused_by_name(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no weights of a vocoder"):
        load_vocoder(locate(models, "sovits-g", "v4"))
    pickle_writer.write_reference_file(tmp_path / "other.pth", {"a": torch.zeros(2)})
    with pytest.raises(InputError, match="is not a vocoder of v4"):
        load_vocoder(tmp_path / "other.pth")
    folder = tmp_path / "bigvgan"
    folder.mkdir()
    for config in ({"upsample_initial_channel": 10**9}, {"upsample_rates": [0]}, {"num_mels": 80}, {"activation": "x"}):
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match="config.json"):
            load_vocoder(folder)


def test_every_version_has_one_entry_and_its_own_header() -> None:
    headers = [header for name in VERSIONS for header in (spec(name).header, spec(name).lora_header) if header]
    marked = [header for header in headers if header != "PK"]
    assert len(marked) == len(set(marked))
    assert [name for name in VERSIONS if spec(name).output_rate != 32_000] == ["v3", "v4"]
    with pytest.raises(ValueError, match="unknown version"):
        spec("v9")


def test_toy_bases_are_the_same_each_time(models: Path, tmp_path: Path) -> None:
    from voicemill.models.toy.mel_sovits import make_mel_sovits

    make_mel_sovits(tmp_path, 1, "v4")
    for name in ("sovits-g", "vocoder"):
        digests = {hashlib.sha256(locate(f, name, "v4").read_bytes()).digest() for f in (models, tmp_path)}
        assert len(digests) == 1, name
