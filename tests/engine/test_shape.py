"""A workflow with a value of the wrong type is refused, and the error names the place; valid ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from voicemill.core.errors import InputError
from voicemill.engine import shape, workflow

SPEC = {"entrypoint": "a", "templates": [{"name": "a", "container": {"image": "i", "command": ["true"]}}]}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"spec": 5}, "spec is 5, not a map"),
        ({"metadata": "x", "spec": SPEC}, "metadata is 'x', not a map"),
        ({"spec": {"templates": [5]}}, "spec.templates[0] is 5, not a map"),
        ({"spec": {"templates": [{"dag": {}}]}}, "spec.templates[0] has no name"),
        ({"spec": {"templates": [{"name": 5}]}}, "spec.templates[0].name is 5, not a string"),
        ({"spec": {"templates": [{"name": "a", "steps": [[[1]]]}], 5: 6}}, "spec.5 is a key that is not a string"),
        (
            {"spec": {"templates": [{"name": "a", "container": {"command": [True]}}]}},
            "spec.templates[0].container.command[0] is True, not a string; put it in quotes",
        ),
        ({"spec": {"arguments": {"parameters": {"a": 1}}}}, "spec.arguments.parameters is {'a': 1}, not a list"),
        ({"metadata": {"labels": ["a"]}, "spec": SPEC}, "metadata.labels is ['a'], not a map"),
    ],
)
def test_the_first_value_of_a_wrong_type_is_named(document: dict[str, object], problem: str) -> None:
    assert shape.problem(document) == problem


@pytest.mark.parametrize(
    "extra",
    [
        {"arguments": {"parameters": [{"name": "a", "value": 5}, {"name": "b", "value": {"name": 1}}]}},
        {"metrics": {"prometheus": [{"name": "m", "help": "h", "labels": [{"key": "k", "value": "v"}]}]}},
        {"podMetadata": {"labels": {"a": "b"}}, "arguments": None},
    ],
)
def test_what_argo_takes_is_taken(extra: dict[str, object]) -> None:
    assert shape.problem({"spec": {**SPEC, **extra}}) == ""


def test_the_shipped_workflows_pass() -> None:
    files = sorted((Path(__file__).parents[2] / "charts/voicemill/workflows").glob("*.yaml"))
    documents = [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]
    assert documents and [shape.problem(document) for document in documents] == [""] * len(documents)


@pytest.mark.parametrize("text", ["[" * 200_000, "a: &a [*a]", "kind: Workflow\nspec: " + "{a: " * 300 + "}" * 300])
def test_a_deeply_nested_or_recursive_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match="w.yaml cannot be used"):
        workflow.load(str(file))
