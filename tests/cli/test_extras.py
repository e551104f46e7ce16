"""What each extra is enough for, and what is said where one is missing: other packages are hidden from Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import wave
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.cli.conftest import cluster
from tests.fakes.argo_api import Cluster
from voicemill import stages

__all__ = ["cluster"]

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HIDING = """
import sys
hidden = set(sys.argv.pop(1).split(","))
class Hides:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hides())
sys.argv[0] = "voicemill"
from voicemill.cli.main import main
main()
"""


def distributions(extra: str) -> set[str]:
    """What `pip install voicemill[extra]` installs, of what is installed here."""
    waiting, found = [("voicemill", extra), ("voicemill", "")], set()
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, part = waiting.pop()
        if (name, part) in seen:
            continue
        seen.add((name, part))
        if name == "voicemill":
            required = PROJECT["optional-dependencies"][part] if part else PROJECT["dependencies"]
        else:
            found.add(name)
            try:
                required = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue
        for text in required:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": part}):
                waiting += [(plain(need.name), each) for each in {"", *need.extras}]
    return found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hidden(extra: str) -> str:
    """Modules that are not there with this extra alone."""
    there = distributions(extra)
    owners = metadata.packages_distributions()
    mine = {"voicemill", "stages", "workflows", "tests", "benchmarks", *sys.stdlib_module_names}
    return ",".join(module for module, by in owners.items() if module not in mine and not {*map(plain, by)} & there)


WITH_WORKFLOWS = hidden("workflows")


def voicemill(*words: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HIDING, WITH_WORKFLOWS, *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)


def test_the_heavy_packages_are_hidden() -> None:
    assert {"torch", "transformers", "soundfile", "fastapi", "scipy"} <= set(WITH_WORKFLOWS.split(","))
    assert not {"boto3", "hera", "kubernetes", "huggingface_hub", "numpy", "yaml"} & set(WITH_WORKFLOWS.split(","))


def test_workflows_is_enough_to_submit_a_run_and_a_batch_and_for_the_doctor(cluster: Cluster, tmp_path: Path) -> None:
    manifest = tmp_path / "speakers.csv"
    manifest.write_text("speaker,source\nanna,/volume/anna\n")
    given = ("-p", "models=/models", "--in-pods", "models", "--in-pods", "source")
    done = voicemill("submit", "clone-voice", "-p", "speaker=anna", "-p", "source=/volume/anna", *given, "--name", "a")
    assert done.returncode == 0, done.stderr
    assert voicemill("status").returncode == 0
    looked = voicemill("doctor")
    assert "Traceback" not in looked.stderr and "clone-voice is installed" in looked.stdout
    checked = voicemill("batch", "check", manifest, "-p", "models=/models")
    assert "Traceback" not in checked.stderr and "pip install" not in checked.stderr
    assert voicemill("models", "list").returncode == 0


def test_workflows_is_enough_to_pull_models(tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "VOICEMILL_GITHUB": "http://127.0.0.1:9"}
    done = voicemill("models", "pull", tmp_path / "models", "v2", **nowhere)
    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr and "pip install" not in done.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("models", "toy", "models"), "all"),
        (("models", "small", "models"), "all"),
        (("proofread", "."), "proofread"),
        (("parity", "."), "all"),
        (("voices", "inspect", "x.ckpt"), "voice"),
    ],
)
def test_what_is_missing_is_one_sentence_with_the_extras_name(
    words: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    (tmp_path / "x.ckpt").write_bytes(b"PK")
    (tmp_path / "manifest.json").write_text("{}")
    done = voicemill(*words, cwd=tmp_path)
    assert done.returncode == 64, done.stdout + done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("voicemill: the package ") and sentence.endswith(f"pip install 'voicemill[{extra}]'")


def test_a_stage_names_its_family(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with wave.open(str(tmp_path / "in" / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    done = voicemill("stage", "slice", "--audio", tmp_path / "in", "--clips", tmp_path / "out")
    assert done.returncode == 64 and done.stderr.strip().endswith("pip install 'voicemill[audio]'")
    assert {stage.family for stage in stages.every()} <= PROJECT["optional-dependencies"].keys()
