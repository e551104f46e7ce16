"""Names that were changed are accepted for a release, with a warning that names the new one."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.copy_stage import copy_texts
from voicemill import stages
from voicemill.batch import validation
from voicemill.batch.manifest import parse
from voicemill.cli.stage import app
from voicemill.contract import Stage, renames
from voicemill.contract.code import code_version
from voicemill.contract.renames import Renames
from voicemill.contract.workflow_parameters import Here, parameters_of
from voicemill.core.errors import UsageError
from voicemill.engine.workflow import Workflow, load

REAL = renames.TABLE
REPOSITORY = Path(__file__).parents[2]
TABLE = Renames(
    removed_in="9.0.0",
    stages={"cutting": "slice"},
    options={"copy-stage": {"repeat": "times", "words": "texts"}, "synthesize": {"hottest": "temperature"}},
    parameters={"synthesize": {"hottest": "temperature"}},
)
WARNING = "the parameter hottest is now temperature; the old name is accepted until release 9.0.0"


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(renames, "TABLE", (TABLE,))
    renames.forget_warnings()
    yield
    renames.forget_warnings()


@pytest.fixture
def synthesize() -> Workflow:
    return load("synthesize")


def test_an_option_is_accepted_under_its_old_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("ab")
    assert copy_texts.run(["--words", str(texts), "--copies", str(tmp_path / "copies"), "--repeat=3"]) == 0
    assert (tmp_path / "copies" / "a.txt").read_text() == "ababab"
    assert copy_texts.run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "--times" in shown
    assert "--repeat" not in shown and "--words" not in shown


def test_an_option_under_both_names_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert copy_texts.run(["--texts", ".", "--copies", "y", "--times", "1", "--repeat", "2"]) == 64
    assert "--times was given twice, also by its old name --repeat; give --times alone" in caplog.text


def test_an_old_option_warns_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("ab")
    for _ in range(2):
        copy_texts.run(["--texts", str(texts), "--copies", str(tmp_path / "copies"), "--repeat", "3"])
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["the option --repeat is now --times; the old name is accepted until release 9.0.0"]


def test_an_old_option_is_checked_as_the_present_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert copy_texts.run(["--texts", ".", "--copies", "y", "--repeat", "77"]) == 64
    assert "must be at least 1 and at most 9, not 77" in capsys.readouterr().err


def test_a_workflow_parameter_is_accepted_under_its_old_name(
    synthesize: Workflow, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = parameters_of(synthesize)
    assert parameters.by_present_names({"hottest": "0.7", "text": "hello"}) == {"temperature": "0.7", "text": "hello"}
    assert [record.getMessage() for record in caplog.records] == [WARNING]


def test_a_workflow_parameter_under_both_names_is_refused(synthesize: Workflow) -> None:
    with pytest.raises(UsageError, match="temperature was given twice"):
        parameters_of(synthesize).by_present_names({"temperature": "1", "hottest": "0.7"})


def test_a_workflow_that_still_has_the_old_name_gets_it(synthesize: Workflow) -> None:
    items = synthesize.spec["arguments"]["parameters"]
    items.append({"name": "hottest", "value": "1"})
    assert parameters_of(synthesize).by_present_names({"hottest": "0.7"}) == {"hottest": "0.7"}


def test_a_manifest_may_have_old_names(synthesize: Workflow, caplog: pytest.LogCaptureFixture) -> None:
    rows = "speaker,source,hottest\nanna,s3:///a,-1\nbob,s3:///b,0.7\n"
    _, mistakes = validation.jobs(parse(rows, is_csv=True), {}, synthesize, folder=None, look=False)
    told = [mistake.text for mistake in mistakes if mistake.line == 2]
    assert any(text.startswith("temperature: must be") for text in told)
    assert not any("hottest" in mistake.text for mistake in mistakes)
    assert [record.getMessage() for record in caplog.records] == [WARNING]
    both = "speaker,source,hottest,temperature\nanna,s3:///a,1,1\n"
    _, mistakes = validation.jobs(parse(both, is_csv=True), {}, synthesize, folder=None, look=False)
    assert any("temperature was given twice" in mistake.text for mistake in mistakes)


def test_a_template_of_an_older_release_is_checked_by_the_present_declarations(synthesize: Workflow) -> None:
    for template in synthesize.templates.by_name.values():
        container = template.get("container")
        if container:
            container["args"] = ["--hottest" if word == "--temperature" else word for word in container["args"]]
    given = {"temperature": "warm"}
    assert [str(problem) for problem in parameters_of(synthesize).problems_of_values(given, Here(None))] == [
        "temperature: must be a number, not 'warm'"
    ]


def test_the_code_of_a_stage_is_found_by_its_old_name() -> None:
    assert code_version("voicemill.stages.cutting") == code_version("voicemill.stages.slice")


@pytest.mark.parametrize("module", ["stages.cutting", "voicemill.stages.cutting"])
def test_a_stage_runs_as_a_module_under_its_old_name(module: str) -> None:
    program = (
        "import runpy, sys; from voicemill.contract import renames;"
        "renames.TABLE = (renames.Renames('9.0.0', {'cutting': 'slice'}),);"
        f"sys.argv[1:] = ['--help']; runpy._run_module_as_main('{module}', alter_argv=False)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Usage: voicemill stage slice" in ended.stdout
    assert "the stage cutting is now slice; the old name is accepted until release 9.0.0" in ended.stderr


def test_a_stage_is_called_by_its_old_name(caplog: pytest.LogCaptureFixture) -> None:
    ended = CliRunner().invoke(app, ["cutting", "--help"])
    assert ended.exit_code == 0
    assert "Usage: voicemill stage slice" in ended.output


@pytest.mark.parametrize("each", REAL)
def test_the_table_names_what_there_is(each: Renames) -> None:
    present = stages.names()
    assert set(each.stages.values()) <= set(present)
    assert not set(each.stages) & set(present)
    for stage, options in each.options.items():
        declaration = stage_named(stage).declaration
        fields = {field.name for field in (*declaration.artifacts, *declaration.parameters)}
        assert set(options.values()) <= fields, stage
        assert not set(options) & fields, stage
    for workflow, parameters in each.parameters.items():
        items = set(parameters_of(load(workflow)).items)
        assert set(parameters.values()) <= items, workflow
        assert not set(parameters) & items, workflow


def stage_named(name: str) -> Stage[...]:
    module = importlib.import_module(f"voicemill.stages.{name.replace('-', '_')}")
    return next(value for value in vars(module).values() if isinstance(value, Stage))
