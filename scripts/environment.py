"""Make the virtual environment of a checkout: every dependency at its pinned version. `make setup` runs this.

    python3.11 scripts/environment.py .venv

uv installs if it is on PATH or can be had from the package index (a minute, where pip takes six); otherwise pip does.
Without an NVIDIA GPU, packages that only a GPU uses and torch loads without are left out (1.2 GB);
TORCH_CUDA=1 installs them all the same, TORCH_CUDA=0 leaves them out in any case.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from images import layer  # noqa: E402

TOOLS = ROOT / ".tools" / "uv"
UV = "uv>=0.9,<1"
CONSTRAINTS = ("--constraint", str(ROOT / "constraints.txt"))
GPU_ONLY = ("cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-cusolver", "nvidia-nvtx", "triton")
"""What torch asks for and loads without. Its other CUDA libraries (2.2 GB) are linked into it: `import torch` fails
without any one of them, and the package index has no other torch for Linux on x86-64."""


def wants_cuda(environment: Mapping[str, str], device: Path = Path("/dev/nvidia0")) -> bool:
    """Return whether packages that only a GPU uses are installed.

    Args:
        environment: Environment variables; TORCH_CUDA is 1, 0 or, by default, auto.
        device: Device file of the first GPU.

    Raises:
        ValueError: TORCH_CUDA is something else.
    """
    said = environment.get("TORCH_CUDA") or "auto"
    if said not in ("0", "1", "auto"):
        raise ValueError(f"TORCH_CUDA={said}: set it to 1, 0 or auto")
    return device.exists() or shutil.which("nvidia-smi") is not None if said == "auto" else said == "1"


def find_uv() -> str | None:
    """Return the program uv: of PATH, or installed into .tools/uv; None where neither is there."""
    on_path = shutil.which("uv")
    if on_path:
        return on_path
    program = TOOLS / "bin" / "uv"
    if not program.is_file():
        try:
            venv.create(TOOLS, with_pip=True)
            pip = [str(TOOLS / "bin" / "python"), "-m", "pip"]
            subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", UV], check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            shutil.rmtree(TOOLS, ignore_errors=True)
            print(f"uv cannot be installed ({error}); pip takes its place, which takes minutes", file=sys.stderr)
            return None
    return str(program)


def commands(
    uv: str | None, python: str, *, alone: list[str], excludes: str | None, compiled: bool = False
) -> list[list[str]]:
    """Return what installs the checkout with all of its dependencies.

    Args:
        uv: The program uv; None for pip.
        python: The environment's interpreter.
        alone: Requirements that are installed without their dependencies.
        excludes: File of packages to leave out, one a line; None to leave none out.
        compiled: Whether uv compiles what it installs, which takes a minute of CPU; pip does so unasked.
    """
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    pip += ["--quiet", *CONSTRAINTS]
    build = ["--build-constraint", str(ROOT / "constraints.txt")] if uv else []
    leave_out = ["--excludes", excludes] if uv and excludes else []
    if uv and compiled:
        pip.append("--compile-bytecode")
    found = [
        [*pip, *build, *leave_out, "--editable", f"{ROOT}[dev]"],
        [*pip, "--no-deps", *alone],
    ]
    if not uv and excludes:
        # pip cannot leave out what another package requires.
        found.append([python, "-m", "pip", "uninstall", "--quiet", "--yes", *GPU_ONLY])
    return found


def main(folder: str) -> None:
    """Make the environment, or bring it up to date."""
    cuda = wants_cuda(os.environ)
    uv = find_uv()
    target = Path(folder).absolute()
    if not (target / "bin" / "python").exists():
        venv.create(target, with_pip=True, symlinks=True)
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # An interpreter's own older pip knows constraints of builds by this variable only.
    environment = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("".join(f"{name}\n" for name in GPU_ONLY))
        listed.flush()
        alone, excludes = layer.alone(pyproject, "dev"), None if cuda else listed.name
        # Elsewhere Python keeps what it has compiled when a module is first imported.
        compiled = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

        def install(uv: str | None) -> None:
            python = str(target / "bin" / "python")
            for command in commands(uv, python, alone=alone, excludes=excludes, compiled=compiled):
                subprocess.run(command, check=True, cwd=ROOT, env=environment)

        try:
            install(uv)
        except subprocess.CalledProcessError as error:
            if uv is None:
                raise
            # Its settings are its own: an index that only pip was told of is not uv's.
            print(f"uv failed ({error}); pip tries, which takes minutes", file=sys.stderr)
            uv = None
            install(uv)
    without = "" if cuda else ", without what only a GPU uses (TORCH_CUDA=1 installs it)"
    print(f"{folder}: installed by {'uv' if uv else 'pip'}{without}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
