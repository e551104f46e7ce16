"""Every stage, run twice on the same inputs, writes the same bytes, whatever the time, the folder and the hash seed."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.stages.same_bytes import CASES, ON_A_CLUSTER, make
from voicemill import stages
from voicemill.contract import Stage
from voicemill.stages.synthesize import synthesize

Twice = tuple[Path, Path]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    """Folders of all that both runs made; the second follows the first at a second's distance."""
    root = tmp_path_factory.mktemp("twice")
    make(root / "made")

    def start(name: str, seed: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.stages.same_bytes", root / "made", root / "first", root / name]
        settings = os.environ | {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1"}
        said = (root / f"{name}.txt").open("w")
        return subprocess.Popen(list(map(str, command)), env=settings, stdout=said, stderr=subprocess.STDOUT, text=True)

    first, second = start("first", 1), start("second", 2)
    try:
        assert first.wait(500) == 0, (root / "first.txt").read_text()
        assert second.wait(500) == 0, (root / "second.txt").read_text()
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    yield root / "first", root / "second"
    shutil.rmtree(root)


def test_no_stage_is_left_out() -> None:
    declared = set()
    for module in pkgutil.iter_modules(stages.__path__):
        found = vars(importlib.import_module(f"voicemill.stages.{module.name}")).values()
        declared |= {value.name for value in found if isinstance(value, Stage)}
    assert declared == {*CASES, *ON_A_CLUSTER}


@pytest.mark.parametrize("name", CASES)
def test_the_same_inputs_give_the_same_bytes(twice: Twice, name: str) -> None:
    if name == "make-corpus" and not shutil.which("flite"):
        pytest.skip("the synthesizer flite is not installed")
    first, second = (contents(folder / name) for folder in twice)
    assert "ledger.json" in first
    assert first.keys() == second.keys()
    assert [file for file in first if first[file] != second[file]] == []


def test_another_number_of_threads_changes_a_sample_by_one_step_at_most(twice: Twice, tmp_path: Path) -> None:
    """As docs/tutorials/desktop.md says: sums are added in another order, and the tokens stay what they are."""
    before, spoken = torch.get_num_threads(), []
    models, voice = twice[0].parent / "made" / "models", twice[0] / "publish" / "voice"
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            synthesize(voice, tmp_path / f"{threads}", models=str(models), text="It rains, and the river is high.")
            spoken.append(soundfile.read(tmp_path / f"{threads}" / "0001.wav", dtype="int16")[0])
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(spoken[0], spoken[1], rtol=0, atol=1)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    # A state is what a stage itself resumes from; nobody else reads it.
    return {name: path.read_bytes() for name, path in named.items() if not name.startswith("state/")}
