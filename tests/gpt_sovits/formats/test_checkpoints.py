from __future__ import annotations

import builtins
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files, pickle_writer
from voicemill.models import locate
from voicemill.models.toy.sovits import Version, make_sovits


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for version in ("v2", "v2Pro", "v2ProPlus"):
        make_sovits(folder, seed=2, version=version)
    return folder


VERSIONS: list[Version] = ["v2", "v2Pro", "v2ProPlus"]


def speech(checkpoint: checkpoints.SovitsCheckpoint) -> torch.Tensor:
    model = checkpoints.build_generator(checkpoint)
    torch.manual_seed(0)
    codes, phones = torch.randint(0, 1024, (1, 1, 8)), torch.randint(0, 732, (1, 5))
    vectors = [torch.randn(1, 20480)] if model.config.is_pro else None
    return model.decode(codes, phones, [torch.rand(1, 1025, 20)], noise_scale=0.0, speaker_vectors=vectors)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_base_file_tells_its_version_by_its_shapes(models: Path, version: Version) -> None:
    path = locate(models, "sovits-g", version)
    assert gpt_sovits_files.kind_by_header(path) is None
    assert checkpoints.load_sovits(path).version == version


@pytest.mark.parametrize(("version", "header"), [("v2", b"PK"), ("v2Pro", b"05"), ("v2ProPlus", b"06")])
def test_leaving_to_the_reference_and_coming_back_changes_nothing(
    models: Path, tmp_path: Path, version: Version, header: bytes
) -> None:
    base = checkpoints.load_sovits(locate(models, "sovits-g", version))
    checkpoints.save_sovits(tmp_path / "ours.safetensors", base)
    ours = checkpoints.load_sovits(tmp_path / "ours.safetensors")
    checkpoints.export_sovits(tmp_path / "theirs.pth", ours)
    theirs = checkpoints.load_sovits(tmp_path / "theirs.pth")
    assert (tmp_path / "theirs.pth").read_bytes()[:2] == header
    assert (
        (theirs.config, theirs.hps, theirs.info) == (ours.config, ours.hps, ours.info) == (base.config, base.hps, "toy")
    )
    assert set(theirs.weights) == {key for key in base.weights if "enc_q" not in key}
    assert all(torch.equal(theirs.weights[key], base.weights[key]) for key in theirs.weights)
    assert torch.equal(speech(theirs), speech(ours))


def test_equal_models_are_equal_files(models: Path, tmp_path: Path) -> None:
    base = checkpoints.load_sovits(locate(models, "sovits-g"))
    for name in ("a", "b"):
        checkpoints.save_sovits(tmp_path / f"{name}.safetensors", base)
        checkpoints.export_sovits(tmp_path / f"{name}.pth", base)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_a_text_model_leaves_and_comes_back(tmp_path: Path) -> None:
    weights = {"bert_proj.weight": torch.rand(4, 3).half(), "ar_predict_layer.weight": torch.rand(5, 4).half()}
    model = checkpoints.GptCheckpoint({"model": {"n_layer": 2}, "train": {"lr": 0.01}}, weights, "GPT-e15")
    checkpoints.export_gpt(tmp_path / "x.ckpt", model)
    checkpoints.save_gpt(tmp_path / "x.safetensors", model)
    for name in ("x.ckpt", "x.safetensors"):
        back = checkpoints.load_gpt(tmp_path / name)
        assert (back.hps, back.info) == (model.hps, model.info)
        assert all(torch.equal(back.weights[key], weights[key]) for key in weights)


class Runs:
    """Pickles as a call."""

    def __init__(self, call: Any, *arguments: Any):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("header", [b"PK", b"05"])
@pytest.mark.parametrize("place", ["weight", "config", "nested"])
@pytest.mark.parametrize("call", [os.system, builtins.eval, builtins.exec])
def test_a_file_that_carries_code_is_refused_and_nothing_runs(
    tmp_path: Path, header: bytes, place: str, call: Any
) -> None:
    witness = tmp_path / "ran"
    command = f"touch {witness}" if call is os.system else f"open({str(witness)!r}, 'w')"
    evil = Runs(call, command)
    contents: dict[str, Any] = {"weight": {"x": torch.zeros(2)}, "config": {"model": {}}, "info": ""}
    if place == "nested":
        contents["config"]["model"]["deep"] = [{"deeper": (evil,)}]
    else:
        contents[place] = evil
    path = tmp_path / "evil.pth"
    torch.save(contents, path)
    path.write_bytes(header + path.read_bytes()[2:])
    for load in (checkpoints.load_sovits, checkpoints.load_gpt, checkpoints.load_discriminator):
        with pytest.raises(InputError, match="is refused"):
            load(path)
    assert not witness.exists()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": {}}))


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("hello.txt", "not a checkpoint")


@pytest.mark.parametrize("damage", [truncated, plain_pickle, other_zip, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_is_an_error_that_names_it(models: Path, tmp_path: Path, damage) -> None:
    path = tmp_path / "damaged.pth"
    path.write_bytes(locate(models, "sovits-g").read_bytes())
    damage(path)
    with pytest.raises(InputError, match="damaged.pth"):
        checkpoints.load_sovits(path)


def test_weights_of_another_size_than_their_configuration_are_an_error(models: Path) -> None:
    base = checkpoints.load_sovits(locate(models, "sovits-g"))
    base.weights["enc_p.proj.bias"] = torch.zeros(3)
    with pytest.raises(InputError, match=r"enc_p\.proj\.bias"):
        checkpoints.build_generator(base)
    del base.weights["enc_p.proj.bias"]
    with pytest.raises(InputError, match=r"enc_p\.proj\.bias"):
        checkpoints.build_generator(base)


@pytest.mark.parametrize(("header", "version"), [(b"03", "v3"), (b"04", "v4"), (b"02", "v3")])
def test_a_later_header_over_other_weights_is_refused(
    models: Path, tmp_path: Path, header: bytes, version: str
) -> None:
    path = tmp_path / "later.pth"
    path.write_bytes(header + locate(models, "sovits-g").read_bytes()[2:])
    with pytest.raises(InputError, match=f"its header says {version}, its weights do not"):
        checkpoints.load_sovits(path)


def test_a_generator_is_no_text_model_and_the_other_way_round(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a text-to-semantic model"):
        checkpoints.load_gpt(locate(models, "sovits-g"))
    with pytest.raises(InputError, match="not a SoVITS generator"):
        checkpoints.load_sovits(locate(models, "sovits-d"))
    base = checkpoints.load_sovits(locate(models, "sovits-g"))
    checkpoints.save_sovits(tmp_path / "voice.safetensors", base)
    with pytest.raises(InputError, match="not a gpt model"):
        checkpoints.load_gpt(tmp_path / "voice.safetensors")


def test_torch_itself_reads_what_is_written_without_it(tmp_path: Path) -> None:
    weights = {"a": torch.rand(3, 4).half(), "b": torch.arange(5), "c": torch.rand(2, 2).t(), "d": torch.tensor(1.5)}
    contents = {"weight": {**weights, "e": weights["a"].numpy()}, "config": {"model": {"n": [1, 2]}}, "info": "x"}
    pickle_writer.write_reference_file(tmp_path / "x.ckpt", contents)
    back = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert (back["config"], back["info"]) == (contents["config"], "x")
    assert all(torch.equal(back["weight"][key], value) for key, value in weights.items())
    assert torch.equal(back["weight"]["e"], weights["a"]) and back["weight"]["d"].shape == ()


def test_what_publishing_needs_runs_without_torch() -> None:
    modules = "voicemill.voice.assembling, voicemill.gpt_sovits.formats.safetensors_files"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
