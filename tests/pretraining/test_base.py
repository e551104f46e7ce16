from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from tests.pretraining.conftest import NAMES
from voicemill.contract import config
from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.sovits.fine_tuning import start_models
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.models import locate, record
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.pretraining import base
from voicemill.pretraining.recipe import EncoderRecipe
from voicemill.stages.evaluate import evaluate
from voicemill.stages.format import format_dataset
from voicemill.stages.init_base import init_base
from voicemill.stages.package_base import package_base
from voicemill.stages.train_content_encoder import train_content_encoder
from voicemill.stages.train_gpt import train_gpt
from voicemill.stages.train_sovits import train_sovits


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    """Models with even fewer channels."""
    sizes = {"inter_channels": 16, "hidden_channels": 16, "filter_channels": 16, "upsample_initial_channel": 32}
    small = base.configuration()
    small["model"] |= sizes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "configuration", lambda: deepcopy(small))
        patch.setattr(base, "GPT", GptConfig(embedding_dim=16, hidden_dim=16, head=2, n_layer=1))
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content encoder as train-content-encoder gives it, that has learnt nothing."""
    models, folder = (tmp_path_factory.mktemp(name) for name in ("models", "encoder"))
    make_hubert(models)
    locate(models, "hubert").rename(folder / "hubert")
    return folder


@pytest.fixture(scope="module")
def fresh(encoder: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "fresh"
    ledger = init_base(encoder, corpus / "clips", destination=str(folder), codes=12)
    assert ledger.kept == len(NAMES) and 1 < ledger.summary()["perplexity"] <= 12
    return folder


@pytest.fixture(scope="module")
def dataset(fresh: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("format") / "dataset"
    format_dataset(corpus / "clips", corpus / "transcripts", folder, models=str(fresh), version="v2")
    return folder


def test_k_means_finds_what_is_apart_and_refuses_too_little_speech() -> None:
    places = torch.eye(768)[:3] * 5
    spread = torch.randn(90, 768, generator=torch.Generator().manual_seed(0)) / 100
    codes_KC, perplexity = base.cluster([places.repeat(30, 1) + spread], 3, seed=0)
    assert torch.cdist(codes_KC, places).min(1).values.max() < 0.1
    assert perplexity == pytest.approx(3.0)
    with pytest.raises(InputError, match="90 tokens of speech are too few for a codebook of 91"):
        base.cluster([spread], 91, seed=0)


def test_only_the_codes_that_were_asked_for_are_ever_chosen(dataset: Path) -> None:
    codes = DatasetFolder(dataset).codes()
    assert set(codes) == set(NAMES)
    assert {code for row in codes.values() for code in row} <= set(range(12))


def test_a_fresh_base_is_written_the_same_way_twice(fresh: Path, encoder: Path, corpus: Path, tmp_path: Path) -> None:
    init_base(encoder, corpus / "clips", destination=str(tmp_path), codes=12)
    assert record.read(tmp_path) == record.read(fresh)


def test_what_was_trained_becomes_a_base_to_train_from(
    dataset: Path, fresh: Path, encoder: Path, tmp_path: Path
) -> None:
    sovits, gpt = tmp_path / "sovits", tmp_path / "gpt"
    options = {"models": str(fresh), "validation_fraction": 0.0}
    acoustic = SovitsRecipe(epochs=1, min_clips_per_epoch=1, segment_seconds=0.7, discriminator_start_step=1000)
    token = GptRecipe(epochs=2, min_clips_per_epoch=1, save_every=1, max_concat_clips=3)
    train_sovits(dataset, sovits, tmp_path / "s", recipe=acoustic, export_base=True, **options)
    train_gpt(dataset, gpt, tmp_path / "g", recipe=token, **options)
    ledger = package_base(encoder, sovits, gpt, destination=str(tmp_path / "base"))
    made = tmp_path / "base"
    assert ledger.summary()["bytes"] == sum(entry.size for entry in record.read(made).values())
    options = config.options_for(evaluate.declaration, "", {"models": str(made)})
    assert options == {"top_k": "1", "repetition_penalty": "1", "text_split": "cut0", "use_prompt": "false"}
    generator, discriminator = (locate(made, name) for name in ("sovits-g", "sovits-d"))
    start_models(checkpoints.load_sovits(generator), checkpoints.load_discriminator(discriminator))
    before = checkpoints.load_sovits(locate(fresh, "sovits-g")).weights
    after = checkpoints.load_sovits(generator).weights
    assert before.keys() == after.keys()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"enc_p", "enc_q", "dec", "flow", "ref_enc"} <= changed
    # Nothing has judged yet, and the tokens stay what they were.
    untouched = checkpoints.load_discriminator(locate(fresh, "sovits-d"))
    assert all(
        torch.equal(tensor, untouched[name]) for name, tensor in checkpoints.load_discriminator(discriminator).items()
    )
    assert not {"ssl_proj", "quantizer"} & changed
    trained = checkpoints.load_gpt(locate(made, "gpt"))
    Gpt.from_checkpoint(trained.config, trained.weights)
    assert trained.info == "GPT-e2"


def test_a_training_without_base_files_is_refused(encoder: Path, tmp_path: Path) -> None:
    for name in ("sovits", "gpt"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="--defaults: evaluat: no such stage"):
        package_base(encoder, tmp_path / "sovits", tmp_path / "gpt", destination="base", defaults="evaluat: {top-k: 1}")
    with pytest.raises(InputError, match="--export-base"):
        package_base(encoder, tmp_path / "sovits", tmp_path / "gpt", destination=str(tmp_path / "base"))
    assert not (tmp_path / "base").exists()


def test_from_another_base_training_goes_on_in_its_terms(fresh: Path, corpus: Path, tmp_path: Path) -> None:
    encoder, start = tmp_path / "encoder", str(fresh)
    train_content_encoder(
        corpus / "clips", corpus / "transcripts", encoder, tmp_path / "state", recipe=EncoderRecipe(), start=start
    )
    ledger = init_base(encoder, corpus / "clips", destination=str(tmp_path / "base"), start=start)
    assert ledger.kept == 4
    assert record.read(tmp_path / "base") == record.read(fresh)
    assert {entry.source for entry in record.read(fresh).values()} == {record.BASE}
    weights = "model.safetensors"
    assert (encoder / "hubert" / weights).read_bytes() == (locate(fresh, "hubert") / weights).read_bytes()


def test_a_base_to_go_on_from_has_every_model(fresh: Path, corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(fresh, tmp_path / "half")
    locate(tmp_path / "half", "gpt").unlink()
    with pytest.raises(MissingModelError, match="gpt of v2"):
        init_base(fresh, corpus / "clips", destination=str(tmp_path / "base"), start=str(tmp_path / "half"))
    assert not (tmp_path / "base").exists()


def test_a_new_codebook_can_have_another_bases_sovits(fresh: Path, encoder: Path, corpus: Path, tmp_path: Path) -> None:
    init_base(encoder, corpus / "clips", destination=str(tmp_path / "a"), codes=7, seed=5, sovits_start=str(fresh))
    init_base(encoder, corpus / "clips", destination=str(tmp_path / "b"), codes=7, seed=5)
    taken, known, own = (
        checkpoints.load_sovits(locate(f, "sovits-g")) for f in (tmp_path / "a", fresh, tmp_path / "b")
    )
    assert taken.weights.keys() == known.weights.keys()
    for name, tensor in taken.weights.items():
        source = own if name.split(".")[0] in ("ssl_proj", "quantizer") else known
        assert torch.equal(tensor, source.weights[name]), name
    assert not torch.equal(own.weights["dec.conv_pre.weight"], known.weights["dec.conv_pre.weight"])
    judges = [checkpoints.load_discriminator(locate(f, "sovits-d")) for f in (tmp_path / "a", fresh)]
    assert all(torch.equal(tensor, judges[1][name]) for name, tensor in judges[0].items())


def test_a_narrower_vocoder_is_taken_as_a_wider_one_that_sounds_the_same(
    encoder: Path, corpus: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = base.configuration()
    narrow["model"] |= {"resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3, 9]]}
    options = {"codes": 7, "seed": 5}
    with monkeypatch.context() as patch:
        patch.setattr(base, "configuration", lambda: narrow)
        patch.setattr(base, "DISCRIMINATOR_WIDTH", 64)
        init_base(encoder, corpus / "clips", destination=str(tmp_path / "narrow"), **options)
    with pytest.raises(InputError, match="another size"):
        init_base(
            encoder, corpus / "clips", destination=str(tmp_path), sovits_start=str(tmp_path / "narrow"), **options
        )
    for name in ("start", "sovits_start"):
        given = {name: str(tmp_path / "narrow"), "widen_vocoder": True}
        init_base(encoder, corpus / "clips", destination=str(tmp_path / name), **options, **given)
    found = [checkpoints.load_sovits(locate(tmp_path / f, "sovits-g")) for f in ("narrow", "start", "sovits_start")]
    assert [len(one.config.resblock_kernel_sizes) for one in found] == [1, 3, 3]
    with pytest.raises(InputError, match="only a vocoder of one kernel width"):
        base.widen_vocoder(tmp_path / "start", seed=1)
    models = [start_models(one, checkpoints.load_discriminator(locate(fresh, "sovits-d")))[0] for one in found]
    z_BCT, g_BG1 = torch.randn(2, 16, 9), torch.randn(2, 512, 1)
    narrow_wav, *wide_wavs = (model.dec(z_BCT, g_BG1) for model in models)
    for wav in wide_wavs:
        torch.testing.assert_close(wav, narrow_wav)
    # A narrower discriminator knows nothing that one of this width could use.
    judges = [checkpoints.load_discriminator(locate(folder, "sovits-d")) for folder in (tmp_path / "start", fresh)]
    assert all(tensor.shape == judges[1][name].shape for name, tensor in judges[0].items())


def test_sovits_of_another_size_is_refused(
    encoder: Path, corpus: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = base.configuration()
    narrow["model"] |= {"upsample_initial_channel": 64}
    monkeypatch.setattr(base, "configuration", lambda: narrow)
    with pytest.raises(InputError, match="another size"):
        init_base(encoder, corpus / "clips", destination=str(tmp_path), codes=7, sovits_start=str(fresh))
    assert not (tmp_path / record.NAME).exists()


def test_sovits_of_a_base_that_is_taken_whole_is_not_asked_for_too(
    encoder: Path, corpus: Path, fresh: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="leave --sovits-start out"):
        init_base(encoder, corpus / "clips", destination=str(tmp_path), start=str(fresh), sovits_start=str(fresh))
    with pytest.raises(UsageError, match="a base that is there"):
        init_base(encoder, corpus / "clips", destination=str(tmp_path), widen_vocoder=True)
    assert not (tmp_path / record.NAME).exists()
