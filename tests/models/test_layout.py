"""Where models lie, and that the catalogue puts them there."""

from pathlib import Path

import pytest

from voicemill.errors import MissingModelError
from voicemill.models import catalogue, layout, locate


@pytest.mark.parametrize("version", ["v2", "v2Pro", "v2ProPlus"])
@pytest.mark.parametrize("name", layout.NAMES)
def test_catalogue_holds_every_model_at_its_place(name: str, version: str) -> None:
    place = layout.place(name, version)
    words = [name] if name in ("separation", "whisper", "speaker-encoder") else [version]
    paths = [file.path for model in catalogue.select(words) for file in model.files]
    assert any(path == place or path.startswith(f"{place}/") for path in paths)


def test_locate_finds_files_and_folders_of_a_pretrained_models_folder(tmp_path: Path) -> None:
    (tmp_path / "chinese-hubert-base").mkdir()
    (tmp_path / "chinese-hubert-base" / "config.json").write_text("{}")
    (tmp_path / "v2Pro").mkdir()
    (tmp_path / "v2Pro" / "s2Gv2ProPlus.pth").write_bytes(b"x")
    assert locate(tmp_path, "hubert") == tmp_path / "chinese-hubert-base"
    assert locate(tmp_path, "sovits-g", "v2ProPlus").name == "s2Gv2ProPlus.pth"


def test_missing_model_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    with pytest.raises(MissingModelError, match=r"whisper is missing .*voicemill models pull .* whisper"):
        locate(tmp_path, "whisper")
    with pytest.raises(MissingModelError, match=r"s2G2333k\.pth is missing .*sovits-g of v2.*pull .* v2`"):
        locate(tmp_path, "sovits-g")
    with pytest.raises(MissingModelError, match="there is no folder"):
        locate(tmp_path / "nowhere", "bert")


def test_catalogue_states_licences_sources_and_whole_hashes() -> None:
    for model in catalogue.models():
        assert model.licence and model.files
        for file in model.files:
            assert (file.hub is None) != (file.url is None)
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
