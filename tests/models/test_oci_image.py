"""A models folder as an OCI image: a layout that the specification describes, the same each time."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from voicemill.cli.models import app
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.models import oci_image


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for name, text in {"s1v3.ckpt": "gpt", "hubert/config.json": "{}", "hubert/model.bin": "x" * 5000}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".pull.lock").write_text("")
    return folder


def blob(layout: Path, described: dict[str, Any]) -> Path:
    path = layout / "blobs" / "sha256" / described["digest"].removeprefix("sha256:")
    assert f"sha256:{file_digest(path)}" == described["digest"] and path.stat().st_size == described["size"]
    return path


def test_the_layout_holds_the_folder_for_each_processor(models: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["image", str(models), str(tmp_path / "image"), "--tag", "models:1"])
    assert done.exit_code == 0, done.output
    layout = tmp_path / "image"
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (whole,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert whole["annotations"]["org.opencontainers.image.ref.name"] == "models:1" and whole["digest"] in done.output
    index = json.loads(blob(layout, whole).read_text())
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    layers = set()
    for each in index["manifests"]:
        manifest = json.loads(blob(layout, each).read_text())
        config = json.loads(blob(layout, manifest["config"]).read_text())
        (layer,) = manifest["layers"]
        assert config["rootfs"]["diff_ids"] == [layer["digest"]], "not compressed"
        assert config["architecture"] == each["platform"]["architecture"]
        layers.add(blob(layout, layer))
    (layer_file,) = layers
    with tarfile.open(layer_file) as archive:
        assert archive.getnames() == ["hubert", "hubert/config.json", "hubert/model.bin", "s1v3.ckpt"]
        assert {(member.uid, member.mtime) for member in archive} == {(0, 0)}
        archive.extractall(tmp_path / "mounted", filter="data")
    assert (tmp_path / "mounted" / "hubert" / "model.bin").read_text() == "x" * 5000


def test_the_same_folder_is_the_same_image(models: Path, tmp_path: Path) -> None:
    first = oci_image.write(models, tmp_path / "one", "a")
    for path in models.rglob("*"):
        path.touch()
    assert oci_image.write(models, tmp_path / "two", "b") == first
    (models / "s1v3.ckpt").write_text("other")
    assert oci_image.write(models, tmp_path / "three", "a") != first


def test_an_empty_folder_and_an_image_that_is_there_are_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no files"):
        oci_image.write(tmp_path / "none", tmp_path / "out", "a")
    oci_image.write(models, tmp_path / "out", "a")
    with pytest.raises(InputError, match="exists already"):
        oci_image.write(models, tmp_path / "out", "a")
