"""Fills the layers of the images; runs inside the build (images/Containerfile), with pip and a compiler at hand.

layer.py wheels             compile what the index has as source only, into /mnt/wheels; keep the index's settings
layer.py install EXTRA ...  what these extras of pyproject.toml need ("base" is what everything needs), and no more
layer.py code               voicemill itself, into /opt/code
"""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

TOOLS = Path("/mnt")
ENVIRONMENT = Path("/opt/voicemill")
CODE = Path("/opt/code")
DATE = 946_684_800
SETTINGS = ("index-url", "extra-index-url", "trusted-host", "cert")
UNUSED = ("triton", "nvidia/*/include", "nvidia/**/*.a", "torch/include", "torch/share", "torch/bin")
"""Of the packages installed, what nothing here calls: headers, static libraries, the compiler behind torch.compile."""


def requirements(project: dict[str, Any], extra: str) -> Iterator[str]:
    """What an extra of the project asks for, its references to other extras resolved; "base" for no extra."""
    if extra == "base":
        yield from project["dependencies"]
        return
    for line in project["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{project['name']}\[(.+)\]", line)
        for name in own[1].split(",") if own else ():
            yield from requirements(project, name.strip())
        if not own:
            yield line


def pip(*arguments: str, python: Path | None = None) -> None:
    target = ["--python", str(python)] if python else []
    environment = {
        **os.environ,
        "PIP_CONFIG_FILE": str(TOOLS / "pip.conf"),
        "PIP_CONSTRAINT": str(TOOLS / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    subprocess.run([sys.executable, "-m", "pip", *target, "-q", *arguments], check=True, env=environment)


def keep_settings() -> None:
    """Write the index's settings, given as build arguments, to a file that no final image has."""
    given = {name: os.environ.get("PIP_" + name.upper().replace("-", "_"), "") for name in SETTINGS}
    given["extra-index-url"] = " ".join(filter(None, [given["extra-index-url"], os.environ.get("TORCH_INDEX_URL")]))
    lines = [f"{name} = {value}\n" for name, value in given.items() if value]
    (TOOLS / "pip.conf").write_text("[global]\n" + "".join(lines))


def compile_wheels(project: dict[str, Any]) -> None:
    names = [name for name in project["optional-dependencies"] if name not in ("dev", "all")]
    wanted = sorted({line for name in ["base", *names] for line in requirements(project, name)})
    report = TOOLS / "report.json"
    pip("install", "--dry-run", "--ignore-installed", "--report", str(report), *wanted)
    found = [(item["metadata"], item["download_info"]["url"]) for item in json.loads(report.read_text())["install"]]
    sources = [f"{about['name']}=={about['version']}" for about, url in found if not url.endswith(".whl")]
    (TOOLS / "wheels").mkdir()
    pip("wheel", "--use-pep517", "--no-deps", "--wheel-dir", str(TOOLS / "wheels"), *sources)


def install(project: dict[str, Any], extras: list[str]) -> None:
    wanted = sorted({line for extra in extras for line in requirements(project, extra)})
    wheels = ("--only-binary", ":all:", "--find-links", str(TOOLS / "wheels"), "--no-compile")
    pip("install", *wheels, *wanted, python=ENVIRONMENT / "bin" / "python")
    packages = next(ENVIRONMENT.glob("lib/python3*/site-packages"))
    for pattern in UNUSED:
        # The package's metadata stays, or the next layer would install it again.
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compile_bytecode(packages)
    date_back(ENVIRONMENT)


def install_code() -> None:
    pip("install", "--no-deps", "--no-compile", "--target", str(CODE), "/src")
    compile_bytecode(CODE)
    date_back(CODE)


def compile_bytecode(folder: Path) -> None:
    """Compile modules that no lower layer has compiled; by content, so that no time stamp makes them stale."""
    sources = [source for source in folder.rglob("*.py") if not _compiled(source).exists()]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_compile, sources, chunksize=64))


def date_back(folder: Path) -> None:
    """Give everything one date, so that the same packages are the same layer, which a node need not pull again."""
    for path in (*folder.rglob("*"), folder, folder.parent, Path("/etc/passwd"), Path("/etc/group"), Path("/etc")):
        if path.lstat().st_mtime > DATE:
            os.utime(path, (DATE, DATE), follow_symlinks=False)


def _compiled(source: Path) -> Path:
    return source.with_name("__pycache__") / f"{source.stem}.{sys.implementation.cache_tag}.pyc"


def _compile(source: Path) -> None:
    # Some packages ship templates and code of other versions as .py: what cannot be compiled is not imported either.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), cfile=str(_compiled(source)), invalidation_mode=mode, quiet=2)


def main(action: str, *extras: str) -> None:
    project = tomllib.loads((TOOLS / "pyproject.toml").read_text())["project"]
    if action == "wheels":
        keep_settings()
        # Older ones fetch whole wheels, and torch's is large, to read their metadata.
        pip("install", "pip>=25")
        compile_wheels(project)
    elif action == "code":
        install_code()
    else:
        install(project, list(extras))


if __name__ == "__main__":
    main(*sys.argv[1:])
