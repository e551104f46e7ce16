"""A recipe: one keyword-only dataclass that declares many parameters of a stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from annotated_types import Ge, Le
from hera.workflows import Workflow

from voicemill.contract import Ledger, OutputDir, Stage, stage


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to bake."""

    minutes: Annotated[int, Ge(1)] = 30
    """How long it bakes,
    in minutes."""

    crust: Literal["soft", "hard"] = "soft"
    """What the crust is like."""


@dataclass(frozen=True, kw_only=True)
class WithOneMore(Recipe):
    """The recipe, to which somebody added a knob."""

    salt: Annotated[float, Ge(0), Le(1)] = 0.02
    """Salt per flour."""


def baking(recipe_type: type[Any]) -> Stage[...]:
    def bake(bread: OutputDir, *, oven: str = "", recipe: Any) -> Ledger:
        """Bake.

        Args:
            oven: Which oven.
            recipe: How.
        """
        ledger = Ledger()
        (bread / "recipe.json").write_text(json.dumps(asdict(recipe)))
        ledger.keep("bread", kind=type(recipe).__name__)
        return ledger

    bake.__annotations__["recipe"] = recipe_type
    return stage(family="x")(bake)


def test_each_field_is_an_option_with_its_default_bounds_and_docstring() -> None:
    fields = {field.name: field for field in baking(Recipe).parameters}
    assert list(fields) == ["oven", "minutes", "crust", "config"]
    assert fields["minutes"].help == "How long it bakes, in minutes." and fields["minutes"].bounds == {"ge": 1}
    assert fields["crust"].choices == ("soft", "hard") and fields["crust"].default == "soft"


def test_a_new_knob_is_a_line_of_the_recipe_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before, after = baking(Recipe), baking(WithOneMore)
    with Workflow(name="w", entrypoint=after.name) as workflow:
        after.container()
    template = yaml.safe_load(workflow.to_yaml())["spec"]["templates"][0]  # pyright: ignore[reportArgumentType]
    parameters = {row["name"]: row for row in template["inputs"]["parameters"]}
    assert parameters["salt"] == {"name": "salt", "default": "", "description": "Salt per flour. Default: 0.02."}
    assert "{{inputs.parameters.salt}}" in template["container"]["args"]

    assert after.run(["--bread", str(tmp_path / "new"), "--salt", "0.5", "--crust", "hard"]) == 0
    assert json.loads((tmp_path / "new" / "recipe.json").read_text()) == {"minutes": 30, "crust": "hard", "salt": 0.5}
    assert after.run(["--bread", str(tmp_path / "much"), "--salt", "2"]) == 64
    assert "--salt" in (message := capsys.readouterr().err) and "must be at least 0 and at most 1, not 2" in message
    assert before.run(["--bread", str(tmp_path / "old"), "--salt", "0.5"]) == 64


def test_called_like_a_function_a_stage_takes_the_recipe_as_one_object(tmp_path: Path) -> None:
    baking(Recipe)(tmp_path / "bread", recipe=Recipe(minutes=5))
    assert json.loads((tmp_path / "bread" / "recipe.json").read_text()) == {"minutes": 5, "crust": "soft"}


def test_a_recipe_that_cannot_be_options_is_refused_when_the_stage_is_declared() -> None:
    @dataclass(kw_only=True)
    class Undocumented:
        minutes: int = 30

    @dataclass(kw_only=True)
    class Listed:
        steps: list[str] = field(default_factory=list)
        """What to do."""

    @dataclass(kw_only=True)
    class Twice:
        oven: str = ""
        """An option of the stage."""

    for recipe, words in (
        (Undocumented, "minutes has no docstring"),
        (Listed, "steps"),
        (Twice, "declared twice: oven"),
    ):
        with pytest.raises(TypeError, match=words):
            baking(recipe)
