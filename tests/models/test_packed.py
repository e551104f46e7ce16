"""Packing a base: what comes back, how far it may be off, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from voicemill.cli.models import app
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, MissingModelError
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.safetensors_files import METADATA
from voicemill.gpt_sovits.sovits.fine_tuning import start_models
from voicemill.models import checking, locate, record
from voicemill.models import packed as packed_base
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_hubert

HERE = Path("weights")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of toys: their formats are a base's."""
    folder = tmp_path_factory.mktemp("base")
    for make in (make_hubert, make_sovits, make_gpt):
        make(folder, 3)
    return folder


@pytest.fixture(scope="module")
def packed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    written = packed_base.pack(base, folder)
    assert written == sum(path.stat().st_size for path in folder.iterdir())
    return folder


@pytest.fixture(scope="module")
def again(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again")
    packed_base.unpack(packed, str(folder))
    return folder


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((8, 4, 6)) * 10.0 ** rng.uniform(-3, 2, (8, 1, 1))


def test_a_number_comes_back_within_half_a_step_of_its_row() -> None:
    array = rows()
    back = packed_base.expand(packed_base.squeeze({"w": array}, HERE), HERE)["w"]
    step = np.abs(array).max((1, 2), keepdims=True) / 127
    # Half precision, in which it comes back, is off by one part in 2048.
    assert (np.abs(back - array) <= step / 2 + np.abs(array) / 2000).all()
    assert np.abs(back - array).max() > 0


def test_rows_of_zeros_stay_zeros_and_short_rows_stay_as_they_are() -> None:
    weights = {"zeros": np.zeros((2, 32)), "bias": rows()[:, 0, 0], "gains": np.ones((5, 3, 1)) / 3}
    packed = packed_base.squeeze(weights, HERE)
    assert {name: str(array.dtype) for name, array in packed.items()} == {
        "zeros": "int8",
        "zeros::scale": "float32",
        "bias": "float16",
        "gains": "float16",
    }
    back = packed_base.expand(packed, HERE)
    assert not back["zeros"].any()
    for name in ("bias", "gains"):
        assert np.array_equal(back[name], weights[name].astype(np.float16))


def test_what_is_there_twice_is_packed_once_and_comes_back_twice() -> None:
    one, other = rows(), rows() + 1
    arrays = {"embed": one, "embed_avg": one.copy(), "other": other}
    kept, copies = packed_base.without_copies(arrays)
    assert set(kept) == {"embed", "other"} and copies == {"embed_avg": "embed"}
    back = packed_base.with_copies(kept, copies, HERE)
    assert set(back) == set(arrays) and all(np.array_equal(back[name], arrays[name]) for name in arrays)
    with pytest.raises(InputError, match="no embed, which another is a copy of"):
        packed_base.with_copies({"other": other}, copies, HERE)


@pytest.mark.parametrize("spoilt", [np.array([[1.0, np.nan] * 20]), np.array([[1, 2] * 20])])
def test_what_is_no_finite_number_is_not_packed(spoilt: np.ndarray) -> None:
    with pytest.raises(InputError, match="weights cannot be packed: w holds values that are not finite numbers"):
        packed_base.squeeze({"w": spoilt}, HERE)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"w::scale": np.ones(7, np.float32)}, r"w is int8 of shape \(8, 4, 6\) with a scale of shape \(7,\)"),
        ({"w::scale": None}, "w is int8 .* with no scale"),
        ({"w": None}, "a scale without numbers, of w"),
        ({"w": np.zeros((8, 4, 6), np.float32)}, "w is float32"),
    ],
)
def test_numbers_and_scales_that_do_not_fit_are_refused(change: dict, complaint: str) -> None:
    packed = packed_base.squeeze({"w": rows()}, HERE) | change
    with pytest.raises(InputError, match=complaint):
        packed_base.expand({name: array for name, array in packed.items() if array is not None}, HERE)


def test_a_packed_base_comes_back_as_models_that_training_starts_from(base: Path, again: Path) -> None:
    before, after = (checkpoints.load_sovits(locate(folder, "sovits-g")) for folder in (base, again))
    assert (after.hps, after.info, after.config) == (before.hps, before.info, before.config)
    start_models(after, checkpoints.load_discriminator(locate(again, "sovits-d")))
    for name, array in before.weights.items():
        # The step of the whole matrix is at least that of each row.
        bound = float(array.abs().max()) / 127
        assert float((after.weights[name].float() - array.float()).abs().max()) <= bound, name
    wav = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    heard = [hubert.features(hubert.load(locate(folder, "hubert")), wav) for folder in (base, again)]
    assert torch.nn.functional.cosine_similarity(heard[0].flatten(), heard[1].flatten(), dim=0) > 0.99
    tokens = [checkpoints.load_gpt(locate(folder, "gpt")) for folder in (base, again)]
    assert tokens[1].hps == tokens[0].hps and tokens[1].weights.keys() == tokens[0].weights.keys()


def test_it_takes_little_more_than_a_byte_a_number(base: Path, packed: Path) -> None:
    weights = checkpoints.load_sovits(locate(base, "sovits-g")).weights
    numbers = sum(tensor.numel() for tensor in weights.values())
    assert (packed / "sovits-g.safetensors").stat().st_size < 1.3 * numbers


def test_unpacked_twice_it_is_the_same(packed: Path, again: Path, tmp_path: Path) -> None:
    packed_base.unpack(packed, str(tmp_path))
    assert record.read(tmp_path) == record.read(again)


def test_what_is_not_a_whole_packed_base_is_refused(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a packed base: hubert.safetensors is missing"):
        packed_base.unpack(tmp_path, str(tmp_path / "out"))
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "gpt.safetensors").write_bytes((packed / "sovits-d.safetensors").read_bytes())
    with pytest.raises(InputError, match="it says that it holds the model 'sovits-d'"):
        packed_base.unpack(tmp_path, str(tmp_path / "out"))
    save_file(load_file(packed / "gpt.safetensors"), tmp_path / "gpt.safetensors", {METADATA: '{"kind": "gpt"}'})
    with pytest.raises(InputError, match="is not a packed model"):
        packed_base.unpack(tmp_path, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_base_that_lacks_a_model_is_not_packed(tmp_path: Path) -> None:
    make_hubert(tmp_path)
    with pytest.raises(MissingModelError, match="is missing"):
        packed_base.pack(tmp_path, tmp_path / "packed")


def test_the_commands_pack_and_unpack(base: Path, again: Path, tmp_path: Path) -> None:
    command = CliRunner()
    assert "MB" in command.invoke(app, ["pack", str(base), str(tmp_path / "packed")]).output
    (tmp_path / "packed" / "defaults.yaml").write_text("train-gpt: {epochs: 1}\n")
    whole = [str(tmp_path / "whole"), "--packed", str(tmp_path / "packed")]
    assert "created" in command.invoke(app, ["small", *whole]).output
    assert "already exists" in command.invoke(app, ["small", *whole]).output
    assert (tmp_path / "whole" / "defaults.yaml").read_text() == "train-gpt: {epochs: 1}\n"
    assert {finding.state for finding in checking.verify(tmp_path / "whole", [])} == {"ok"}
    for path, entry in record.read(again).items():
        assert entry.source == record.BASE
        assert file_digest(tmp_path / "whole" / path) == entry.sha256
    assert locate(tmp_path / "whole", "separation").is_dir()
