"""The code version of a stage: what a change of the code makes anew, and what it leaves done."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.running import ROOM, phases, write
from voicemill.contract import code
from voicemill.engine import workflow as workflows
from voicemill.engine.execution import Options
from voicemill.engine.run import Result
from voicemill.engine.run import run as run_workflow
from voicemill.stages import names

MODULES = [
    "voicemill.stages.slice",
    "voicemill.stages.format",
    "voicemill.stages.train_gpt",
    "voicemill.stages.evaluate",
]


@pytest.fixture
def switching() -> Iterator[None]:
    """Other threads get their turn also in the middle of what is otherwise one step, whenever garbage is collected."""

    def others_first(*_: object) -> None:
        time.sleep(0)

    thresholds = gc.get_threshold()
    gc.callbacks.append(others_first)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(others_first)


@pytest.mark.usefixtures("switching")
def test_threads_that_ask_at_the_same_time_are_told_the_same() -> None:
    expected = [code.code_version(module) for module in MODULES]
    code._imports.cache_clear()
    with ThreadPoolExecutor(len(MODULES)) as pool:
        assert list(pool.map(code.code_version, MODULES)) == expected


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package's source, which code versions are told of, to be changed."""
    copy = tmp_path / "voicemill"
    shutil.copytree(code._FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    monkeypatch.setattr(code, "_FOLDER", copy)
    yield copy
    forget()


def forget() -> None:
    code._imports.cache_clear()
    code._parsed.cache_clear()


def versions() -> dict[str, str]:
    forget()
    return {name: code.code_version(f"voicemill.stages.{name.replace('-', '_')}") for name in names()}


def changed_by(file: Path, text: str = "CHANGED = True\n") -> set[str]:
    before = versions()
    file.write_text(file.read_text() + text)
    after = versions()
    return {name for name in before if before[name] != after[name]}


def test_a_change_of_the_recogniser_makes_anew_what_recognises_and_no_other(package: Path) -> None:
    assert changed_by(package / "asr" / "whisper.py") == {"transcribe", "evaluate", "compare"}


def test_a_change_of_the_vocoder_leaves_recordings_and_transcripts_as_they_are(package: Path) -> None:
    changed = changed_by(package / "gpt_sovits" / "synthesis" / "synthesizer.py")
    assert {"synthesize", "evaluate"} <= changed
    assert not changed & {"ingest", "separate", "assess-quality", "normalize", "slice", "transcribe", "apply-review"}


def test_the_public_api_is_of_no_stage(package: Path) -> None:
    assert changed_by(package / "api" / "voice.py") == set()


def test_what_a_package_imports_when_it_is_asked_for_a_name_counts_for_who_asks(package: Path) -> None:
    stage = package / "stages" / "slice.py"
    stage.write_text(stage.read_text() + "from voicemill import Voice\n")
    assert changed_by(package / "api" / "voice.py") == {"slice"}


def test_a_finished_run_only_recognises_again_when_the_recogniser_changed(package: Path, tmp_path: Path) -> None:
    stages = ("slice", "transcribe", "train-sovits", "synthesize")
    modules = {name: f"voicemill.stages.{name.replace('-', '_')}" for name in stages}
    pods = [
        {"name": name, "container": {"image": "none", "command": ["python", "-m", module], "args": ["--help"]}}
        for name, module in modules.items()
    ]
    main = {"name": "main", "dag": {"tasks": [{"name": name, "template": name} for name in stages]}}
    path = write(tmp_path / "w.yaml", main, *pods)

    def run() -> Result:
        forget()
        options = Options(code_version=code.code_version)
        return run_workflow(workflows.load(str(path)), {}, tmp_path / "run", slots=ROOM, options=options)

    first = phases(run())
    assert {first[name] for name in stages} == {"Succeeded"}
    (package / "asr" / "whisper.py").write_text("raise RuntimeError\n")
    again = phases(run())
    assert {name: again[name] for name in stages} == {
        "slice": "Cached",
        "transcribe": "Succeeded",
        "train-sovits": "Cached",
        "synthesize": "Cached",
    }
