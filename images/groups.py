"""The images of the bake file, grouped by the heaviest layer that they share, for CI.

    images/groups.py          a JSON list for a CI matrix: [{"group": ..., "images": "ingest,slice,..."}, ...]
    images/groups.py GROUP    the names of one group, with spaces between them, as `make images STAGES=...` takes them

Groups: `cpu` (no GPU libraries), and each layer that brings GPU libraries (asr, separation, voice, evaluation). A CI
runner's disk holds one group at a time.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
GPU_MARK = "ENV NVIDIA_DRIVER_CAPABILITIES="
CPU = "cpu"


def names(bake: str) -> list[str]:
    """Return the names of the images that a bake file builds.

    Raises:
        ValueError: The file has no list `stage = [...]`.
    """
    listed = re.search(r"stage = \[(.*?)\]", bake, re.DOTALL)
    if not listed:
        raise ValueError("docker-bake.hcl: the matrix of the target `image` has no list `stage = [...]`")
    return re.findall(r'"([a-z-]+)"', listed[1])


def targets(containerfile: str) -> dict[str, tuple[str, str]]:
    """Return every target of a Containerfile with the one that it builds on and its own lines, comments left out."""
    lines = re.sub(r"^#.*\n", "", containerfile, flags=re.MULTILINE)
    parts = re.split(r"^FROM (\S+) AS (\S+)$", lines, flags=re.MULTILINE)[1:]
    return {name: (parent, body) for parent, name, body in zip(*[iter(parts)] * 3, strict=True)}


def chain(every: dict[str, tuple[str, str]], target: str) -> list[str]:
    """Return a target and all that it builds on, the target first."""
    found = []
    while target in every:
        found.append(target)
        target = every[target][0]
    return found


def groups(bake: str, containerfile: str) -> dict[str, list[str]]:
    """Images by the layer with GPU libraries that they build on directly; `cpu` for those without.

    Raises:
        ValueError: The bake file names an image for which the Containerfile has no target.
    """
    every = targets(containerfile)
    found: dict[str, list[str]] = {}
    for name in names(bake):
        if name not in every:
            raise ValueError(f"docker-bake.hcl names {name!r}, for which the Containerfile has no target")
        parents = chain(every, name)
        on_gpu = any(GPU_MARK in every[parent][1] for parent in parents)
        found.setdefault(parents[1] if on_gpu else CPU, []).append(name)
    return found


def main(group: str = "") -> None:
    """Print all groups as a CI matrix, or the names of one group."""
    found = groups((FOLDER / "docker-bake.hcl").read_text(), (FOLDER / "Containerfile").read_text())
    if group and group not in found:
        sys.exit(f"unknown group {group!r}; choose from {', '.join(found)}")
    matrix = [{"group": name, "images": ",".join(images)} for name, images in found.items()]
    print(" ".join(found[group]) if group else json.dumps(matrix))


if __name__ == "__main__":
    main(*sys.argv[1:])
