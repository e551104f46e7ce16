"""Remake constraints.txt: a version for every package that the extras come to, on every system and Python of ours.

    make constraints              for what pyproject.toml asks for, other versions stay as they are
    make constraints UPGRADE=1    the newest versions that fit together

Versions without hashes: with hashes pip refuses an editable install, and the builds of another index (torch for another
CUDA) have hashes of their own.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib

from environment import ROOT, find_uv  # which puts the checkout on the path

from images import layer

PINS = ROOT / "constraints.txt"
HEADER = (
    "# Every version that the tests pass with; pip install --constraint constraints.txt. Remake: make constraints\n"
)


def compiled(uv: str, *arguments: str, stdin: str = "") -> list[str]:
    """Return the lines of a resolution by uv."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header"]
    command += ["--no-annotate", *arguments]
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def main(*arguments: str) -> None:
    """Write the file."""
    uv = find_uv()
    if uv is None:
        sys.exit("constraints.txt is made by uv, which is neither on PATH nor to be had from the package index")
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kept = [] if arguments == ("--upgrade",) else ["--constraint", str(PINS)]
    lines = compiled(uv, *kept, "--extra", "dev", "--extra", "docs", "--extra", "cuda12", "pyproject.toml")
    lines += compiled(uv, *kept, "--no-deps", "-", stdin="\n".join(layer.alone(pyproject, "dev")))
    lines.sort(key=lambda line: line.split("==")[0])
    PINS.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr or str(error))
