"""A workflow's parameters are checked before anything starts, by what the stages that they reach declare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, write
from tests.voice.conftest import voicemill
from voicemill.contract.workflow_parameters import Here, check, parameters_of
from voicemill.core.errors import UsageError
from voicemill.engine.workflow import Workflow, load
from voicemill.stages.slice import slice_clips

__all__ = ["voicemill"]

THREE_MISTAKES = {
    "gpt-epochs": "must be at least 1, not -7",
    "min-minutes": "must be a number, not 'abc'",
    "transcripts-file": "/no/labels.list does not exist; name an existing file or an s3:// address",
}
GIVEN = {"gpt-epochs": "-7", "min-minutes": "abc", "transcripts-file": "/no/labels.list"}


@pytest.fixture
def clone_voice() -> Workflow:
    return load("clone-voice")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    for name in ("recordings", "models"):
        (tmp_path / name).mkdir()
    return {"speaker": "anna", "source": "recordings", "models": "models"}


def problems(workflow: Workflow, folder: Path, **given: str) -> list[str]:
    return [str(problem) for problem in parameters_of(workflow).problems(given, Here(folder))]


def test_all_mistakes_are_told_at_once_before_anything_runs(given: dict[str, str], tmp_path: Path) -> None:
    words = [word for name, value in {**given, **GIVEN}.items() for word in ("-p", f"{name}={value}")]
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "voicemill", "run", "clone-voice", *words, "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    lines = ended.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    told = [line for line in lines if not line.startswith("import time:")]
    assert ended.returncode == 64
    assert told == [
        "voicemill: clone-voice cannot run with these parameters:",
        *(f"  {name}: {text}" for name, text in THREE_MISTAKES.items()),
    ]
    assert not (tmp_path / "run").exists()
    assert "voicemill.stages.train_gpt" in imported and not imported & {
        "torch",
        "numpy.random",
        "boto3",
        "transformers",
    }


def test_batch_check_says_the_same_words(
    voicemill: Callable[..., int], given: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {"speaker": "anna", "source": "recordings", **GIVEN}
    (tmp_path / "m.csv").write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    assert voicemill("batch", "check", tmp_path / "m.csv", "-p", f"models={tmp_path / 'models'}") == 65
    told = capsys.readouterr().err.splitlines()
    assert sorted(told[:3]) == sorted(
        f"{tmp_path / 'm.csv'}:2: {name}: {text}" for name, text in THREE_MISTAKES.items()
    )
    words = [word for name, value in GIVEN.items() for word in ("-p", f"{name}={value}")]
    assert voicemill("batch", "check", tmp_path / "m.csv", "-p", f"models={tmp_path / 'models'}", *words) == 64
    assert [line.strip() for line in capsys.readouterr().err.splitlines()[1:]] == [
        f"{name}: {text}" for name, text in THREE_MISTAKES.items()
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gpt-epoch", "3", "clone-voice has no such parameter; did you mean gpt-epochs"),
        ("colour", "red", "clone-voice has no such parameter; it has source, "),
        ("min-minutes", "nan", "must be a finite number, not nan"),
        ("min-minutes", "inf", "must be a finite number, not inf"),
        ("min-minutes", "-1", "must be at least 0, not -1"),
        ("seed", "-1", "must be at least 0 and below 4294967296, not -1"),
        ("export-reference", "maybe", "must be one of true, false, not 'maybe'"),
        ("speaker", "", "must not be empty"),
        ("speaker", "a\nb", r"the speaker 'a\nb' has a line break or control character in it"),
        ("transcripts-file", "recordings", "recordings is a folder; name the file itself"),
        ("transcripts-file", "listed", "listed is a folder; name the file itself, such as listed/a.list"),
        ("models", "notes.txt", "notes.txt is a file; name the folder"),
        ("source", "nowhere", "nowhere does not exist; name an existing file or folder or an s3:// address"),
        ("source", "http://host/a", "http://host/a is neither a path nor an s3:// address"),
        ("text", "/no/lines.txt", "/no/lines.txt looks like a path and is not there"),
        ("text", "recordings/", "recordings/ is a folder; name the file in it"),
        ("consent", "consent/anna.txt", "consent/anna.txt looks like a path and is not there"),
        ("proofread-limit", "two days", "must be a duration such as 30m or 48h, not 'two days'"),
    ],
)
def test_a_wrong_value_is_told_by_its_parameters_name(
    clone_voice: Workflow, given: dict[str, str], tmp_path: Path, name: str, value: str, words: str
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "listed").mkdir()
    for file in (".hidden", "b.list", "a.list"):
        (tmp_path / "listed" / file).write_text("")
    [problem] = problems(clone_voice, tmp_path, **{**given, name: value})
    assert problem.startswith(f"{name}: {words}")


def test_right_values_pass_and_local_paths_become_absolute(
    clone_voice: Workflow, given: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text("One.")
    more = {
        "text": "lines.txt",
        "transcripts-file": "s3://bucket/labels.list",
        "consent": "Agreed 1/2 in writing.",
        "review": "",
    }
    here = Here(tmp_path)
    parameters = check(clone_voice, {**given, **more}, here)
    assert parameters.resolved({**given, **more, "registry": "voices"}, here) == {
        "speaker": "anna",
        "source": str(tmp_path / "recordings"),
        "models": str(tmp_path / "models"),
        "text": str(tmp_path / "lines.txt"),
        "transcripts-file": "s3://bucket/labels.list",
        "consent": "Agreed 1/2 in writing.",
        "review": "",
        "registry": str(tmp_path / "voices"),
    }


def test_paths_of_another_machine_are_not_looked_for(clone_voice: Workflow, tmp_path: Path) -> None:
    given = {"speaker": "anna", "source": "/volume/anna", "models": "/volume/models"}
    assert parameters_of(clone_voice).problems(given, Here(None)) == []
    assert parameters_of(clone_voice).problems(given, Here(tmp_path, frozenset({"source", "models"}))) == []
    assert len(parameters_of(clone_voice).problems(given, Here(tmp_path))) == 2


def a_workflow(path: Path, **options: str) -> Workflow:
    """A workflow that passes `shortest` through a template and an input's default to the stage `slice`."""
    container = {
        **POD,
        "command": ["python", "-m", "voicemill.stages.slice"],
        "args": ["--min-length", "{{inputs.parameters.length}}", "--min-interval", "{{inputs.parameters.interval}}"],
    }
    cut: dict[str, Any] = {
        "name": "cut",
        "inputs": {
            "parameters": [{"name": "length"}, {"name": "interval", "default": "{{workflow.parameters.interval}}"}]
        },
        "container": container,
    }
    argument = {"parameters": [{"name": "length", "value": "{{inputs.parameters.shortest}}"}]}
    main = {
        "name": "main",
        "inputs": {"parameters": [{"name": "shortest"}]},
        "steps": [[{"name": "cut", "template": "cut", "arguments": argument}]],
    }
    return load(str(write(path, main, cut, parameters=("shortest", "interval"))))


def test_a_parameter_is_followed_through_templates_and_defaults(tmp_path: Path) -> None:
    workflow = a_workflow(tmp_path / "w.yaml")
    assert problems(workflow, tmp_path, shortest="nan", interval="0") == [
        "shortest: must be a finite number, not nan",
        "interval: must be at least 1 and at most 3600000, not 0",
    ]


def test_settings_that_contradict_each_other_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    words = "--min-length (100 ms) must not be shorter than --min-interval (300 ms)"
    assert problems(a_workflow(tmp_path / "w.yaml"), tmp_path, shortest="100", interval="300") == [
        f"shortest, interval: {words}"
    ]
    together = problems(
        load("pretrain"), tmp_path, destination="s3:///m", start="s3:///a", **{"sovits-start": "s3:///b"}
    )
    assert together == ["start, sovits-start: --start takes the other base's SoVITS already; leave --sovits-start out"]
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="must not be shorter"):
        slice_clips(tmp_path / "in", tmp_path / "out", min_length=100)
    arguments = ["--audio", str(tmp_path / "in"), "--clips", str(tmp_path / "out"), "--min-length", "100"]
    assert slice_clips.run(arguments) == 64 and not (tmp_path / "out").exists()
