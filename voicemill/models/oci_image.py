"""A models folder as an OCI image, for Kubernetes' image volumes: one layer of files, written as an OCI image layout.

The same folder gives the same image: names in order, no times, no owners. Source: OCI image-spec 1.1, image-layout.md,
config.md, layer.md.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from voicemill.core.digests import content_digest, file_digest
from voicemill.core.errors import InputError
from voicemill.core.files import atomic

_TYPES = "application/vnd.oci.image"
ARCHITECTURES = ("amd64", "arm64")
"""Files are for any processor; a node pulls the image that names its own."""
_MODE_FILE, _MODE_FOLDER = 0o644, 0o755


def write(folder: Path, out: Path, tag: str) -> str:
    """Write the image of a models folder.

    Args:
        folder: The models folder; hidden files and the cache of a pull stay out.
        out: Folder for the image layout; must not exist.
        tag: Name of the image within the layout.

    Returns:
        Digest of the image's index, `sha256:...`.

    Raises:
        InputError: There are no files in the folder, or the layout exists.
    """
    files = sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    if not files:
        raise InputError(f"{folder} holds no files; `voicemill models pull {folder}` fetches models")
    if out.exists():
        raise InputError(f"{out} exists already; name a folder that does not")
    with atomic(out, is_folder=True) as layout:
        blobs = layout / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        with (blobs / "layer").open("wb") as stream:
            _tar(folder, files, stream)
        digest = file_digest(blobs / "layer")
        (blobs / "layer").rename(blobs / digest)
        layer = _descriptor(f"{_TYPES}.layer.v1.tar", digest, (blobs / digest).stat().st_size)
        manifests = [_manifest(blobs, layer, architecture) for architecture in ARCHITECTURES]
        index = {"schemaVersion": 2, "mediaType": f"{_TYPES}.index.v1+json", "manifests": manifests}
        whole = _blob(blobs, index, f"{_TYPES}.index.v1+json")
        named = {**whole, "annotations": {"org.opencontainers.image.ref.name": tag}}
        outer = {"schemaVersion": 2, "mediaType": f"{_TYPES}.index.v1+json", "manifests": [named]}
        (layout / "index.json").write_text(json.dumps(outer))
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return whole["digest"]


def _manifest(blobs: Path, layer: dict[str, Any], architecture: str) -> dict[str, Any]:
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPES}.manifest.v1+json",
        "config": _blob(blobs, config, f"{_TYPES}.config.v1+json"),
        "layers": [layer],
    }
    described = _blob(blobs, manifest, f"{_TYPES}.manifest.v1+json")
    return {**described, "platform": {"architecture": architecture, "os": "linux"}}


def _blob(blobs: Path, content: dict[str, Any], media_type: str) -> dict[str, Any]:
    data = json.dumps(content, sort_keys=True).encode()
    digest = content_digest(data)
    (blobs / digest).write_bytes(data)
    return _descriptor(media_type, digest, len(data))


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _tar(folder: Path, files: list[Path], stream: IO[bytes]) -> None:
    """Write a tar without compression: weights hardly shrink, and an uncompressed layer's digest is its content's."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folders: set[Path] = set()
        for path in files:
            for above in reversed(path.relative_to(folder).parents[:-1]):
                if above not in folders:
                    folders.add(above)
                    archive.addfile(_member(above.as_posix(), _MODE_FOLDER, kind=tarfile.DIRTYPE))
            member = _member(path.relative_to(folder).as_posix(), _MODE_FILE, size=path.stat().st_size)
            with path.open("rb") as content:
                archive.addfile(member, content)


def _member(name: str, mode: int, *, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.size, member.type = mode, size, kind
    return member
