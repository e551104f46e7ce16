"""Fills the layers of the images; runs inside the build (images/Containerfile), with pip and a compiler at hand.

layer.py resolve          what each extra of pyproject.toml comes to, as /layers/EXTRA.txt; base.txt is what all need;
                          what the index has as source only, as /mnt/wheels/*.whl; the index's settings
layer.py install LAYER    what /opt/voicemill/layers/LAYER.txt lists and no lower layer has
layer.py code             voicemill itself, into /opt/code
"""

from __future__ import annotations

import hashlib
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

TOOLS = Path("/mnt")
SOURCE = Path("/src")
LISTS = Path("/layers")
ENVIRONMENT = Path("/opt/voicemill")
CODE = Path("/opt/code")
DATE = 946_684_800
SETTINGS = ("index-url", "extra-index-url", "trusted-host", "cert")
CONSTRAINED = ("--build-constraint", str(SOURCE / "constraints.txt"), "--constraint", str(SOURCE / "constraints.txt"))
NOT_RUN = ("all", "dev", "docs")
UNUSED = ("distance", "triton")
"""Packages that others ask for and nothing here calls. distance: GPL, of g2p_en, which does not import it. triton: the
compiler behind torch.compile, which would need a C compiler in the image."""
UNUSED_FILES = (
    *("nvidia/*/include", "nvidia/**/*.a", "torch/include", "torch/share", "torch/bin/p*"),
    *(f"nvidia/*/lib/{name}.so*" for name in ("libnvrtc*.alt", "libcusolverMg", "libcufftw", "libnvblas")),
)
"""Headers, static libraries and what needs them (torch/bin: protoc, ptxas; torch looks for the program beside them).
CUDA libraries that no other library names, neither as needed nor in what it opens by itself."""


def extras(project: dict[str, Any], extra: str) -> list[str]:
    """Return an extra of the project and those that it refers to, each once."""
    found = [extra]
    for name in found:
        for line in project["optional-dependencies"].get(name, ()):
            own = re.fullmatch(rf"{project['name']}\[(.+)\]", line)
            found += [each.strip() for each in own[1].split(",") if each.strip() not in found] if own else []
    return found


def requirements(project: dict[str, Any], extra: str) -> list[str]:
    """Return what an extra of the project asks for, its references to other extras resolved; "base" for no extra."""
    if extra == "base":
        return project["dependencies"]
    lines = [line for name in extras(project, extra) for line in project["optional-dependencies"][name]]
    return [line for line in lines if not re.fullmatch(rf"{project['name']}\[.+\]", line)]


def alone(pyproject: dict[str, Any], extra: str) -> list[str]:
    """Requirements of an extra that are installed without their own dependencies."""
    listed = pyproject["tool"]["voicemill"]["no-dependencies"]
    return [line for name in extras(pyproject["project"], extra) for line in listed.get(name, ())]


def canonical(name: str) -> str:
    """Return a package's name as every tool writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip(*arguments: str, python: Path | None = None) -> None:
    target = ["--python", str(python)] if python else []
    environment = {
        **os.environ,
        "PIP_CACHE_DIR": "/root/.cache/pip",
        "PIP_CONFIG_FILE": str(TOOLS / "pip.conf"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # What is packed has this date, so that the same content is the same file.
        "SOURCE_DATE_EPOCH": str(DATE),
    }
    subprocess.run([sys.executable, "-m", "pip", *target, "-q", *arguments], check=True, env=environment)


def keep_settings() -> None:
    """Write the index's settings, given as build arguments, to a file that no final image has."""
    given = {name: os.environ.get("PIP_" + name.upper().replace("-", "_"), "") for name in SETTINGS}
    given["extra-index-url"] = " ".join(filter(None, [given["extra-index-url"], os.environ.get("TORCH_INDEX_URL")]))
    lines = [f"{name} = {value}\n" for name, value in given.items() if value]
    (TOOLS / "pip.conf").write_text("[global]\n" + "".join(lines))


def resolve(pyproject: dict[str, Any]) -> None:
    # Older ones fetch whole wheels, and torch's is large, to read their metadata.
    pip("install", "--no-compile", "pip>=25.3", "packaging")
    project = pyproject["project"]
    layers = [name for name in ("base", *project["optional-dependencies"]) if name not in NOT_RUN]
    lines = {name: requirements(project, name) for name in layers}
    by_themselves = {name: alone(pyproject, name) for name in layers}
    found = report(*sorted(set().union(*lines.values())))
    needs = {name: item["metadata"].get("requires_dist", []) for name, item in found.items()}
    without = report("--no-deps", *sorted(set().union(*by_themselves.values())))
    needs |= {key: [] for key in without}
    found |= without
    pins = {name: f"{name}=={item['metadata']['version']}" for name, item in found.items()}
    LISTS.mkdir()
    # A layer filled by other rules is another layer; not every builder looks at what it borrows.
    rules = f"# layer.py {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}\n"
    kept: set[str] = set()
    for name in layers:
        names = closure([*lines[name], *by_themselves[name]], needs) - set(UNUSED)
        kept |= names
        (LISTS / f"{name}.txt").write_text(rules + "".join(f"{pins[each]}\n" for each in sorted(names)))
    sources = [pins[name] for name in sorted(kept) if not found[name]["download_info"]["url"].endswith(".whl")]
    pip("wheel", "--use-pep517", "--no-deps", *CONSTRAINED, "--wheel-dir", str(TOOLS / "wheels"), *sources)


def report(*arguments: str) -> dict[str, dict[str, Any]]:
    """Return what pip would install, by canonical name: items of its installation report."""
    path = Path("report.json")
    pip("install", "--dry-run", "--ignore-installed", *CONSTRAINED, "--report", str(path), *arguments)
    return {canonical(item["metadata"]["name"]): item for item in json.loads(path.read_text())["install"]}


def closure(lines: list[str], needs: dict[str, list[str]]) -> set[str]:
    """Return the names of all packages that requirements come to, by what each of them `needs`."""
    from packaging.requirements import Requirement

    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        requirement, given = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": given}):
            continue
        name = canonical(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(line), extra) for line in needs[name]]
    return {name for name, _ in seen}


def install(layer: str) -> None:
    pins = ("--no-deps", "--requirement", str(ENVIRONMENT / "layers" / f"{layer}.txt"))
    wheels = ("--only-binary", ":all:", "--find-links", str(TOOLS / "wheels"), "--no-compile")
    pip("install", *wheels, *pins, python=ENVIRONMENT / "bin" / "python")
    packages = next(ENVIRONMENT.glob("lib/python3*/site-packages"))
    for pattern in UNUSED_FILES:
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    compile_bytecode(packages)
    date_back(ENVIRONMENT)


def install_code() -> None:
    pip("install", "--no-deps", *CONSTRAINED, "--no-compile", "--target", str(CODE), str(SOURCE))
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


def main(action: str, layer: str = "") -> None:
    if action == "resolve":
        keep_settings()
        resolve(tomllib.loads((SOURCE / "pyproject.toml").read_text()))
    elif action == "code":
        install_code()
    else:
        install(layer)


if __name__ == "__main__":
    main(*sys.argv[1:])
