"""The toy models as a whole; each model's own tests are with the code that loads it."""

import shutil
from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.models import checking, layout, locate, record
from voicemill.models.toy import make_all


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "models"
    assert make_all(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What other versions and recognisers take, and what is made of a model rather than fetched.
NOT_IN_TOYS = {"speaker-encoder", "vocoder", "g2pw", "sensevoice", "paraformer", "bert-onnx"}


@pytest.mark.parametrize("name", sorted({*layout.NAMES} - NOT_IN_TOYS))
def test_every_model_of_v2_is_found_where_the_real_one_lies(made: Path, name: str) -> None:
    assert locate(made, name, "v2").exists()


def test_other_versions_are_made_when_asked_for_and_found(tmp_path: Path) -> None:
    from voicemill.models.toy.gpt import make_gpt
    from voicemill.models.toy.sovits import make_sovits
    from voicemill.models.toy.speaker import make_speaker_encoder

    assert layout.best_version(tmp_path) == "v2"
    make_gpt(tmp_path)
    make_sovits(tmp_path, version="v2Pro")
    assert layout.best_version(tmp_path) == "v2", "without its speaker encoder v2Pro cannot be used"
    make_speaker_encoder(tmp_path)
    assert layout.best_version(tmp_path) == "v2Pro"
    make_sovits(tmp_path, version="v2ProPlus")
    assert layout.best_version(tmp_path) == "v2ProPlus"


def test_folder_says_that_the_models_babble_and_verifies(made: Path) -> None:
    assert "babble" in (made / "README.md").read_text()
    assert {finding.state for finding in checking.verify(made, [])} == {"ok"}


def test_everyone_may_read_them(made: Path) -> None:
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in made.rglob("*") if path.is_file())


def test_whole_folder_is_left_alone_and_a_damaged_one_made_again_alike(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "models"))
    assert not make_all(folder)
    weights = locate(folder, "sovits-g")
    weights.write_bytes(weights.read_bytes()[:-1])
    assert make_all(folder)
    assert contents(folder) == contents(made)


def test_folder_with_other_things_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        make_all(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_base_takes_the_places_of_the_toys_and_the_rest_stays(made: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    paths = [layout.place("sovits-g"), f"{layout.place('hubert')}/config.json"]
    for path in paths:
        (base / path).parent.mkdir(parents=True)
        (base / path).write_text("another one")
    record.add(base, {path: record.describe(base / path, "mine", record.BASE) for path in paths})
    whole = tmp_path / "whole"
    assert make_all(whole, base=base) and not make_all(whole, base=base)
    assert all((whole / path).read_text() == "another one" for path in paths)
    assert [path.name for path in (whole / layout.place("hubert")).iterdir()] == ["config.json"]
    findings = checking.verify(whole, [])
    assert {finding.state for finding in findings} == {"ok"}
    assert {finding.file.path for finding in findings if finding.detail == record.BASE} == set(paths)
    assert record.source(whole, layout.place("sovits-g")) == record.BASE
    assert record.source(whole, layout.place("gpt")) == record.TOY
    assert "trained base" in (whole / "README.md").read_text()
    assert locate(whole, "separation").is_dir() and locate(whole, "gpt").is_file()
    (base / paths[1]).write_text("changed since")
    with pytest.raises(InputError, match="not a complete base.*config.json"):
        make_all(tmp_path / "other", base=base)
