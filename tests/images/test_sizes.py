"""The table of sizes counts a shared layer once, compresses what is not, and says which image is too large."""

from __future__ import annotations

import hashlib
import json
import random
import tarfile
import zlib
from pathlib import Path

import pytest

from images import sizes

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def layout(folder: Path, images: dict[str, tuple[list[str], list[tuple[str, bytes]]]]) -> Path:
    """An OCI layout of images: name -> (environment, layers)."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return f"sha256:{digest}"

    manifests = []
    for name, (environment, layers) in images.items():
        config = put(json.dumps({"config": {"Env": environment}}).encode())
        described = [{"mediaType": kind, "digest": put(data), "size": len(data)} for kind, data in layers]
        manifest = put(json.dumps({"config": {"digest": config}, "layers": described}).encode())
        manifests.append({"digest": manifest, "annotations": {"org.opencontainers.image.ref.name": name}})
    (folder / "index.json").write_text(json.dumps({"manifests": manifests}))
    return folder


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def two_images(tmp_path: Path) -> Path:
    shared = (GZIP, noise(3_000_000, 1))
    gpu = ["NVIDIA_DRIVER_CAPABILITIES=compute"]
    images = {
        "slice": (["HOME=/tmp"], [shared, (GZIP, noise(100_000, 2))]),
        "localhost/voicemill-train-gpt:1": (gpu, [shared, (PLAIN, bytes(2_000_000))]),
    }
    return layout(tmp_path / "layout", images)


def test_a_shared_layer_is_counted_once(two_images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sizes.main([str(two_images)]) == 0
    said = capsys.readouterr().out
    assert "| slice | 3.1 | 500.0 | 0.1 |" in said
    assert "| train-gpt | 3.0 | 4000.0 | 0.0 |" in said
    assert "All images together: 3.1 MB in 3 layers" in said and "they would be 6.1 MB" in said


def test_what_lies_uncompressed_is_counted_as_a_registry_keeps_it(two_images: Path) -> None:
    _, gpu = sizes.images_in(sizes.Layout(two_images))
    assert gpu.gpu and min(gpu.layers.values()) == len(zlib.compress(bytes(2_000_000), wbits=31))


def test_a_tar_file_of_a_layout_does_as_well(two_images: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(two_images, arcname=".")
    with tarfile.open(tmp_path / "images.tar") as tar, tarfile.open(tmp_path / "plain.tar", "w") as plain:
        for member in tar.getmembers():
            member.name = member.name.removeprefix("./")
            plain.addfile(member, tar.extractfile(member) if member.isfile() else None)
    found = list(sizes.images_in(sizes.Layout(tmp_path / "plain.tar")))
    assert found == list(sizes.images_in(sizes.Layout(two_images)))


def test_what_docker_saves_in_its_own_layout_does_too(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "layer.tar").write_bytes(bytes(50_000))
    config = {"config": {"Env": None}, "rootfs": {"diff_ids": ["sha256:abc"]}}
    (folder / "config.json").write_text(json.dumps(config))
    tag = "localhost/voicemill-slice:1"
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    size = len(zlib.compress(bytes(50_000), wbits=31))
    assert list(sizes.images_in(sizes.Layout(folder))) == [sizes.Image("slice", False, {"sha256:abc": size})]


def test_layouts_measured_one_at_a_time_make_the_same_table(
    two_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = str(tmp_path / "notes.json")
    assert sizes.main([str(two_images)]) == 0
    at_once = capsys.readouterr().out
    assert sizes.main(["--notes", notes, str(two_images)]) == 0 and capsys.readouterr().out == ""
    assert sizes.main(["--notes", notes]) == 0 and capsys.readouterr().out == at_once


def test_an_image_over_its_limit_fails_the_table(
    two_images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "CPU_LIMIT", 3_000_000)
    assert sizes.main([str(two_images)]) == 1
    assert "| slice | 3.1 | 3.0 **too large** | 0.1 |" in capsys.readouterr().out


def test_attestations_beside_an_image_are_no_image(tmp_path: Path) -> None:
    folder = layout(tmp_path, {"slice": ([], [(GZIP, noise(1000, 3))])})
    index = json.loads((folder / "index.json").read_text())
    inner = json.dumps({"manifests": [{"digest": index["manifests"][0]["digest"]}, {"digest": "sha256:attestation"}]})
    digest = hashlib.sha256(inner.encode()).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_text(inner)
    index["manifests"][0]["digest"] = f"sha256:{digest}"
    (folder / "index.json").write_text(json.dumps(index))
    assert [(image.name, image.size) for image in sizes.images_in(sizes.Layout(folder))] == [("slice", 1000)]
