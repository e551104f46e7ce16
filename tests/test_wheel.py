"""What a wheel installs works outside of any checkout: built here, unpacked, and run without the checkout on the path.

Python runs with `-S`, by which it reads no `.pth` file, so that the editable installation is not found either.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("voicemill", "stages", "workflows", "models", "pyproject.toml", "README.md", "LICENSE")
HERA = "from hera.__main__ import main; main()"
VOICEMILL = "from voicemill.cli.main import main; main()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel holds, as site-packages would."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "dist"), str(source)]
    made = subprocess.run(build, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    shutil.rmtree(source)
    return folder


def python(installed: Path, where: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds the wheel and the packages it needs."""
    path = f"import sys; sys.path[:1] = [{str(installed)!r}]; sys.path.append({sysconfig.get_path('purelib')!r})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    command = [sys.executable, "-S", "-c", f"{path}\n{program}", *arguments]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_one_package_is_installed_and_nothing_of_the_checkout_is_found(installed: Path, tmp_path: Path):
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"voicemill"}
    for name in ("stages", "workflows"):
        assert "No module named" in python(installed, tmp_path, f"import {name}").stderr
    where = python(installed, tmp_path, "import voicemill; print(voicemill.__file__)").stdout
    assert Path(where.strip()) == installed / "voicemill" / "__init__.py"
    assert (installed / "voicemill" / "py.typed").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stage", "slice", "--help"), "--max-seconds"),
        (("parity", "--help"), "recorded case"),
        (("run", "--help"), "clone-voice"),
        (("proofread", "--help"), "Usage"),
        (("models", "list"), "chinese-hubert-base"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_commands_work(installed: Path, tmp_path: Path, arguments: tuple[str, ...], said: str):
    done = python(installed, tmp_path, VOICEMILL, *arguments)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_small_base_is_in_the_wheel(installed: Path, tmp_path: Path):
    done = python(installed, tmp_path, VOICEMILL, "models", "small", "m")
    assert done.returncode == 0, done.stderr
    done = python(installed, tmp_path, "from voicemill.models import locate; print(locate('m', 'gpt'))")
    assert Path(tmp_path / done.stdout.strip()).stat().st_size > 1e6


def test_the_workflows_objects_are_generated_as_in_a_checkout(installed: Path, tmp_path: Path):
    arguments = ["generate", "yaml", str(installed / "voicemill" / "workflows"), "--to", str(tmp_path)]
    done = python(installed, tmp_path, HERA, *arguments)
    assert done.returncode == 0, done.stderr
    golden = ROOT / "charts" / "voicemill" / "workflows"
    assert {path.name for path in tmp_path.glob("*.yaml")} == {path.name for path in golden.glob("*.yaml")}
    for path in golden.glob("*.yaml"):
        assert (tmp_path / path.name).read_text() == path.read_text(), path.name


def test_the_pages_are_in_the_wheel(installed: Path):
    static = installed / "voicemill" / "proofread" / "static"
    assert {path.name for path in static.iterdir()} == {
        path.name for path in (ROOT / "voicemill" / "proofread" / "static").iterdir()
    }
    assert (installed / "voicemill" / "report" / "page.html").is_file()
