"""The table of images' sizes, as a registry would store them, and the gates that they have to pass.

    python images/sizes.py LAYOUT ...     OCI layouts, folders or tar files; or what `docker save`, `podman save` write
    python images/sizes.py --notes FILE [LAYOUT]     one at a time, added to FILE; without a layout, the table of FILE

Ends with 1 when an image is larger than it may be: 0.5 GB, or 4 GB with a GPU's libraries.
"""

from __future__ import annotations

import json
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

CPU_LIMIT = 500_000_000
GPU_LIMIT = 4_000_000_000
GPU_MARK = "NVIDIA_DRIVER_CAPABILITIES"


@dataclass(frozen=True)
class Image:
    """An image: its name, whether it carries a GPU's libraries, and the compressed bytes of its layers by digest."""

    name: str
    gpu: bool
    layers: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.layers.values())

    @property
    def limit(self) -> int:
        return GPU_LIMIT if self.gpu else CPU_LIMIT


class Layout:
    """The files of a layout, in a folder or a tar file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tar = None if path.is_dir() else tarfile.open(path)  # noqa: SIM115  (open as long as the layout)

    def open(self, name: str) -> IO[bytes]:
        if self.tar is None:
            return (self.path / name).open("rb")
        file = self.tar.extractfile(name)
        assert file, f"{name} in {self.path} is not a file"
        return file

    def has(self, name: str) -> bool:
        return (self.path / name).exists() if self.tar is None else name in self.tar.getnames()

    def blob(self, digest: str) -> IO[bytes]:
        return self.open(f"blobs/{digest.replace(':', '/')}")

    def json(self, digest: str) -> dict[str, Any]:
        with self.blob(digest) as file:
            return json.load(file)


def images_in(layout: Layout, sizes: dict[str, int] | None = None) -> Iterator[Image]:
    """Return the images that a layout names.

    Args:
        layout: Where they lie.
        sizes: Compressed bytes of layers by digest, as far as known; those measured are added.
    """
    sizes = {} if sizes is None else sizes
    return _of_index(layout, sizes) if layout.has("index.json") else _of_docker(layout, sizes)


def _of_docker(layout: Layout, sizes: dict[str, int]) -> Iterator[Image]:
    """Docker's own layout: layers by path, not compressed, and each named by its digest."""
    with layout.open("manifest.json") as file:
        entries = json.load(file)
    for entry in entries:
        with layout.open(entry["Config"]) as file:
            config = json.load(file)
        layers = dict(zip(config["rootfs"]["diff_ids"], entry["Layers"], strict=True))
        for digest, path in layers.items():
            if digest not in sizes:
                sizes[digest] = _compressed(layout.open(path))
        yield _image(entry["RepoTags"][0], config, {digest: sizes[digest] for digest in layers})


def _of_index(layout: Layout, sizes: dict[str, int]) -> Iterator[Image]:
    with layout.open("index.json") as file:
        entries = json.load(file)["manifests"]
    for entry in entries:
        about = entry.get("annotations", {})
        name = about.get("io.containerd.image.name") or about.get("org.opencontainers.image.ref.name", entry["digest"])
        manifest = layout.json(entry["digest"])
        # A build with attestations is an index of its own: the first manifest is the image.
        while "manifests" in manifest:
            manifest = layout.json(manifest["manifests"][0]["digest"])
        for layer in manifest["layers"]:
            digest, is_compressed = layer["digest"], layer["mediaType"].endswith(("gzip", "zstd"))
            if digest not in sizes:
                sizes[digest] = layer["size"] if is_compressed else _compressed(layout.blob(digest))
        layers = {layer["digest"]: sizes[layer["digest"]] for layer in manifest["layers"]}
        yield _image(name, layout.json(manifest["config"]["digest"]), layers)


def _image(name: str, config: dict[str, Any], layers: dict[str, int]) -> Image:
    environment = config["config"].get("Env") or []
    gpu = any(line.startswith(f"{GPU_MARK}=") for line in environment)
    return Image(name.rsplit("/", 1)[-1].removeprefix("voicemill-").split(":")[0], gpu, layers)


def _compressed(content: IO[bytes]) -> int:
    """Return the bytes of a layer as a registry keeps it, with gzip."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    total = 0
    with content:
        while block := content.read(1 << 20):
            total += len(compressor.compress(block))
    return total + len(compressor.flush())


def table(images: list[Image]) -> str:
    """Return the sizes in Markdown: images first, then each layer with the images that stand on it."""
    users: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for image in images:
        for digest, size in image.layers.items():
            users.setdefault(digest, []).append(image.name)
            sizes[digest] = size
    lines = ["| image | MB | may be | of it not shared |", "| --- | ---: | ---: | ---: |"]
    for image in images:
        own = sum(size for digest, size in image.layers.items() if len(users[digest]) == 1)
        verdict = "" if image.size <= image.limit else " **too large**"
        lines.append(f"| {image.name} | {_mb(image.size)} | {_mb(image.limit)}{verdict} | {_mb(own)} |")
    lines += ["", "| layer | MB | images |", "| --- | ---: | --- |"]
    for digest, names in sorted(users.items(), key=lambda item: (-len(item[1]), -sizes[item[0]])):
        whose = "all" if len(names) == len(images) > 1 else ", ".join(names)
        lines.append(f"| {digest.split(':')[1][:12]} | {_mb(sizes[digest])} | {whose} |")
    total = sum(sizes.values())
    lines += ["", f"All images together: {_mb(total)} MB in {len(sizes)} layers; each on its own they would be"]
    lines[-1] += f" {_mb(sum(image.size for image in images))} MB."
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"


def main(paths: list[str]) -> int:
    notes = Path(paths[1]) if paths[0] == "--notes" else None
    layouts = paths[2:] if notes else paths
    known = json.loads(notes.read_text()) if notes and notes.exists() else {"sizes": {}, "images": []}
    images = [Image(**image) for image in known["images"]]
    images += [image for path in layouts for image in images_in(Layout(Path(path)), known["sizes"])]
    if notes and layouts:
        notes.write_text(json.dumps(known | {"images": [asdict(image) for image in images]}))
        return 0
    print(table(images))
    return 0 if all(image.size <= image.limit for image in images) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
