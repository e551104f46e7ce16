"""LoRA files: read, written, merged, and refused where they are crafted."""

from pathlib import Path
from typing import Any

import pytest
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.fine_tuning import lora_checkpoint, start_model
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files, pickle_writer
from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint
from voicemill.gpt_sovits.versions import Version, spec
from voicemill.models import locate
from voicemill.voice import inspecting

LAYER = "cfm.base_model.model.estimator.transformer_blocks.0.attn.to_q"
A, B = f"{LAYER}.lora_A.default.weight", f"{LAYER}.lora_B.default.weight"


@pytest.fixture(scope="module")
def base(models: Path) -> SovitsCheckpoint:
    return checkpoints.load_sovits(locate(models, "sovits-g", "v4"))


def trained(base: SovitsCheckpoint, rank: int = 4) -> SovitsCheckpoint:
    torch.manual_seed(0)
    model = start_model(base, rank)
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.codebook.cluster_size.fill_(1e5)
    return lora_checkpoint(base, model, rank, "2epoch_10iteration")


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_file_has_its_header_and_comes_back_equal(models: Path, tmp_path: Path, version: Version) -> None:
    base = checkpoints.load_sovits(locate(models, "sovits-g", version))
    path, ours = tmp_path / "a_e2_s10_l4.pth", tmp_path / "a.safetensors"
    checkpoints.export_sovits(path, trained(base))
    assert path.read_bytes()[:2].decode() == spec(version).lora_header
    raw = gpt_sovits_files.read_reference_file(path)
    assert list(raw) == ["weight", "config", "info", "lora_rank"]
    assert raw["weight"]["quantizer.vq.layers.0._codebook.cluster_size"].isinf().all(), "as the reference writes it"
    first = checkpoints.load_sovits(path)
    assert (first.version, first.lora_rank, first.info) == (version, 4, "2epoch_10iteration")
    checkpoints.save_sovits(ours, first)
    again = checkpoints.load_sovits(ours)
    assert again == SovitsCheckpoint(first.config, again.weights, first.info, first.hps, 4)
    assert all(torch.equal(first.weights[key], again.weights[key]) for key in first.weights)
    about = inspecting.inspect(path)
    assert (about["kind"], about["version"], about["rank"]) == ("sovits LoRA", version, 4)


def test_merging_adds_the_product_and_the_layers_trained_whole(base: SovitsCheckpoint) -> None:
    made = trained(base)
    whole = checkpoints.merged(made, base)
    key = "cfm.estimator.transformer_blocks.0.attn.to_q.weight"
    expected = base.weights[key].float() + made.weights[B].float() @ made.weights[A].float()
    torch.testing.assert_close(whole.weights[key], expected)
    assert whole.lora_rank == 0 and whole.weights.keys() == base.weights.keys()
    size = "quantizer.vq.layers.0._codebook.cluster_size"
    assert torch.equal(whole.weights[size], base.weights[size])
    checkpoints.build_mel_generator(made, base)


def test_a_lora_speaks_only_with_its_own_base(base: SovitsCheckpoint, models: Path) -> None:
    made, other = trained(base), checkpoints.load_sovits(locate(models, "sovits-g", "v3"))
    for wrong, reason in ((None, "only with the base"), (other, "does not fit a base of v3"), (made, "does not fit")):
        with pytest.raises(InputError, match=reason):
            checkpoints.build_mel_generator(made, wrong)


def other_rank(contents: dict[str, Any]) -> None:
    contents["lora_rank"] = 5


def huge_rank(contents: dict[str, Any]) -> None:
    contents["lora_rank"] = 10**9


def rank_in_words(contents: dict[str, Any]) -> None:
    contents["lora_rank"] = "four"


def rank_of_many(contents: dict[str, Any]) -> None:
    contents["lora_rank"] = torch.ones(4)


def no_rank(contents: dict[str, Any]) -> None:
    del contents["lora_rank"]


def half_a_pair(contents: dict[str, Any]) -> None:
    del contents["weight"][A]


def foreign_layer(contents: dict[str, Any]) -> None:
    contents["weight"]["os.system"] = torch.ones(2)


def foreign_pair(contents: dict[str, Any]) -> None:
    for half in (A, B):
        contents["weight"][half.replace("to_q", "to_nowhere")] = contents["weight"][half]


def other_shape(contents: dict[str, Any]) -> None:
    contents["weight"][A] = torch.ones(4, 3, 2)


def wider_than_the_base(contents: dict[str, Any]) -> None:
    contents["weight"][B] = torch.ones(4096, 4)


def other_bridge(contents: dict[str, Any]) -> None:
    contents["weight"]["bridge.0.weight"] = torch.ones(2, 2)


CRAFTED = [
    *(other_rank, huge_rank, rank_in_words, rank_of_many, no_rank, half_a_pair, foreign_layer, foreign_pair),
    *(other_shape, wider_than_the_base, other_bridge),
]


@pytest.mark.parametrize("craft", CRAFTED)
def test_a_crafted_file_is_refused_in_a_sentence(base: SovitsCheckpoint, tmp_path: Path, craft) -> None:
    path = tmp_path / "crafted.pth"
    checkpoints.export_sovits(path, trained(base))
    contents = gpt_sovits_files.read_reference_file(path)
    contents["config"] = pickle_writer.held(gpt_sovits_files.configuration(path, contents))
    craft(contents)
    pickle_writer.write_reference_file(path, contents, "04")
    with pytest.raises(InputError) as refused:
        checkpoints.build_mel_generator(checkpoints.load_sovits(path), base)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


def test_a_header_that_the_weights_belie_is_refused(base: SovitsCheckpoint, models: Path, tmp_path: Path) -> None:
    whole, path = locate(models, "sovits-g", "v4"), tmp_path / "crafted.pth"
    path.write_bytes(b"04" + whole.read_bytes()[2:])
    with pytest.raises(InputError, match="says a LoRA of v4, which its weights are not"):
        checkpoints.load_sovits(path)
    checkpoints.export_sovits(path, trained(base))
    path.write_bytes(b"02" + path.read_bytes()[2:])
    with pytest.raises(InputError, match="says a whole model of v3, which its weights are not"):
        checkpoints.load_sovits(path)


@pytest.mark.parametrize(("header", "version"), [(b"07", "v5dev"), (b"08", "v5turbo")])
def test_v5_is_named_and_not_run(base: SovitsCheckpoint, tmp_path: Path, header: bytes, version: str) -> None:
    path = tmp_path / "voice_e2_s10_l4.pth"
    checkpoints.export_sovits(path, trained(base))
    path.write_bytes(header + path.read_bytes()[2:])
    with pytest.raises(InputError, match=f"is a {version} model; voicemill runs v1, .*v4"):
        checkpoints.load_sovits(path)
    about = inspecting.inspect(path)
    assert (about["kind"], about["version"], about["runs_here"]) == ("sovits LoRA", version, False)


def test_v5_bases_are_known_by_their_first_bytes() -> None:
    assert {kind.model for kind in gpt_sovits_files.V5_PUBLISHED.values()} == {"v5dev", "v5turbo"}
    assert not gpt_sovits_files.V5_PUBLISHED.keys() & gpt_sovits_files.PUBLISHED.keys()


def test_names_in_files_and_in_models_are_each_others_opposite(base: SovitsCheckpoint) -> None:
    for key in base.weights:
        assert lora.as_in_models(lora.as_in_files(key)) == key
