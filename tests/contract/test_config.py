"""`--config`: options by stage, in one YAML text or file, from a stage's command line to a workflow's parameter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge

from voicemill.contract import BaseWeights, Ledger, OutputDir, Stage, config, renames, stage
from voicemill.contract.workflow_parameters import Here, parameters_of
from voicemill.core.errors import UsageError
from voicemill.engine.workflow import load


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train."""

    epochs: Annotated[int, Ge(1)] = 8
    """Passes over the clips."""

    rate: float = 0.1
    """Learning rate."""


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Stage[...]:
    def train(weights: OutputDir, *, models: BaseWeights, name: str = "own", recipe: Recipe) -> Ledger:
        """Train."""
        ledger = Ledger()
        ledger.keep("weights", epochs=recipe.epochs, rate=recipe.rate, called=name)
        return ledger

    monkeypatch.setattr(train, "__module__", "tests.slice")
    train.__annotations__ = {"weights": OutputDir, "models": BaseWeights, "name": str, "recipe": Recipe}
    return stage(family="x")(train)


@pytest.fixture
def run(train: Stage[...], tmp_path: Path) -> Any:
    (tmp_path / "models").mkdir()

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        ledger = tmp_path / "ledger.jsonl"
        arguments = ["--weights", str(tmp_path / "out"), "--models", str(tmp_path / "models")]
        code = train.run([*arguments, *options, "--ledger", str(ledger)])
        return code, json.loads(ledger.read_text()) if code == 0 else {}

    return run


def settings(answer: tuple[int, dict[str, Any]]) -> tuple[int, float, str]:
    code, entry = answer
    assert code == 0
    return entry["epochs"], entry["rate"], entry["called"]


def test_what_is_given_goes_before_the_config_the_base_weights_and_the_defaults(run: Any, tmp_path: Path) -> None:
    assert settings(run()) == (8, 0.1, "own")
    (tmp_path / "models" / "defaults.yaml").write_text("slice: {epochs: 4, rate: 0.01}\nevaluate: {top-k: 1}\n")
    assert settings(run()) == (4, 0.01, "own")
    (tmp_path / "recipe.yaml").write_text("slice:\n  epochs: 5\n  name: theirs\n")
    assert settings(run("--config", str(tmp_path / "recipe.yaml"))) == (5, 0.01, "theirs")
    assert settings(run("--config", "slice: {epochs: 5}", "--epochs", "6")) == (6, 0.01, "own")
    # As a workflow hands on a parameter that nobody gave.
    assert settings(run("--config", "slice: {epochs: 5}", "--epochs", "", "--name", "")) == (5, 0.01, "own")
    # Other stages' sections are theirs to look at.
    assert settings(run("--config", "transcribe: {anything: 5}")) == (4, 0.01, "own")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slice: {epoch: 5}", "--config: slice: epoch: no such option; did you mean epochs?"),
        ("slice: {epochs: 0}", "--config: slice: epochs: must be at least 1, not 0"),
        ("slice: {epochs: many}", "--config: slice: epochs: must be a whole number, not 'many'"),
        ("slice: {epochs: [1]}", "slice: epochs: must be a text, a number, true or false"),
        ("slice: {config: x}", "--config: slice: config: no such option"),
        ("slices: {epochs: 5}", "--config: slices: no such stage; did you mean slice?"),
        ("[slice]", "must map stages to their options"),
        ("slice: 5", "slice must map options to values"),
        ("slice: {epochs: 5", "the config"),
        ("/no/recipe.yaml", "/no/recipe.yaml looks like a path and is not there"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(
    run: Any, caplog: pytest.LogCaptureFixture, text: str, words: str
) -> None:
    assert run("--config", text)[0] == 64
    assert words in caplog.text


def test_base_weights_whose_defaults_mean_nothing_here_are_bad_data(
    run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models" / "defaults.yaml").write_text("slice: {momentum: 1}\n")
    assert run()[0] == 65
    assert "defaults.yaml: slice: momentum: no such option" in caplog.text


def test_to_a_stage_other_sections_and_the_spelling_make_no_difference(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("train-gpt: {epochs: 3}\ntrain-sovits:\n  ema-steps: 100\n  seed: 1\n")
    own = config.own_config(str(file), "voicemill.stages.train_sovits")
    assert own == config.own_config('{"train-sovits": {"seed": 1, "ema-steps": 100}}', "voicemill.stages.train_sovits")
    assert own != config.own_config("train-sovits: {seed: 1}", "voicemill.stages.train_sovits")
    assert config.own_config(str(file), "voicemill.stages.slice") == config.own_config("", "x") == ""


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    for name in ("recordings", "models"):
        (tmp_path / name).mkdir(exist_ok=True)
    return {"speaker": "anna", "source": "recordings", "models": "models"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train-sovits: {ema-steps: 100, epochs: 4}\nevaluate: {lines: 2}", []),
        ("train-sovits: {ema-stepz: 1}", ["config: train-sovits: ema-stepz: no such option; did you mean ema-steps?"]),
        ("train-sovits: {ema-steps: -1}", ["config: train-sovits: ema-steps: must be at least 0, not -1"]),
        ("train-sovit: {}", ["config: train-sovit: no such stage; did you mean train-sovits or train-gpt?"]),
        ("train-gpt: {seed: 1}", ["config: train-gpt: seed: clone-voice sets it; give its parameter seed"]),
    ],
)
def test_a_workflow_says_the_same_before_anything_runs(
    given: dict[str, str], tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    parameters = parameters_of(load("clone-voice"))
    for value in (text, "recipe.yaml"):
        problems = parameters.problems({**given, "config": value}, Here(tmp_path))
        assert [str(problem) for problem in problems] == words


def test_a_stage_that_the_workflow_does_not_run_is_refused(given: dict[str, str], tmp_path: Path) -> None:
    given["config"] = "train-content-encoder: {layers: 2}"
    [problem] = parameters_of(load("clone-voice")).problems(given, Here(tmp_path))
    assert str(problem).startswith("config: train-content-encoder: clone-voice does not run this stage; it runs ")


def test_what_is_given_to_a_workflow_by_itself_goes_before_its_config(given: dict[str, str], tmp_path: Path) -> None:
    given |= {"config": "train-gpt: {seed: 1}", "seed": "7"}
    assert parameters_of(load("clone-voice")).problems(given, Here(tmp_path)) == []


@pytest.mark.parametrize("workflow", ["clone-voice", "build-voice"])
def test_parameters_that_went_into_the_config_are_taken_for_a_release(
    workflow: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    renames.forget_warnings()
    parameters = parameters_of(load(workflow))
    given = {"speaker": "anna", "top-k": "5", "sovits-averaged-steps": "100", "config": "train-sovits: {epochs: 3}"}
    present = parameters.by_present_names(given)
    assert present.keys() == {"speaker", "config"}
    assert config.read(present["config"]) == {
        "train-sovits": {"epochs": "3", "ema-steps": "100"},
        "evaluate": {"top-k": "5"},
        "synthesize": {"top-k": "5"},
    }
    assert "sovits-averaged-steps is now an option in `config` (train-sovits: ema-steps)" in caplog.text
    with pytest.raises(UsageError, match="given twice, also as train-sovits: ema-steps in the config"):
        parameters.by_present_names({"sovits-averaged-steps": "1", "config": "train-sovits: {ema-steps: 3}"})
    # A speaker's own are added to those of all.
    row = parameters.by_present_names({"sovits-averaged-steps": "1"}, base="train-sovits: {epochs: 3, ema-steps: 3}")
    assert config.read(row["config"]) == {"train-sovits": {"epochs": "3", "ema-steps": "1"}}


def test_every_parameter_that_went_into_the_config_is_an_option_that_is_there() -> None:
    parameters = parameters_of(load("clone-voice"))
    stages = {call.stage.name: {field.name for field in call.stage.parameters} for call in parameters.calls}
    moved = renames.to_config("clone-voice")
    assert len(moved) > 25 and not moved.keys() & parameters.items.keys()
    assert all(option in stages[stage] for each in moved.values() for stage, option in each.options)
    assert 20 <= len(parameters.items) <= 26
