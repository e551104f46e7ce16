"""A user's text is text: nothing in a parameter's value is evaluated, however many templates it is handed through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, node, run, write
from voicemill.engine.workflow import UnsupportedWorkflow

TEXTS = [
    "Two is {{=1+1}} now.",
    "Dear {{name}}, hello.",
    "{{workflow.name}}",
    "{{workflow.parameters.secret}}",
    "{{=workflow.parameters.secret}}",
    "{{inputs.parameters.t}}",
    "{{outputs.parameters.said.path}}",
    "{{tasks.plain.outputs.parameters.said}}",
    "{{item}}",
    "{{=string(1/0)}}",
    "{{",
    "}}",
    "{{{{inputs.parameters.t}}}}",
    "no' || 'a' == 'a",
    'it\'s "quoted" \\ and $HOME `date` %s',
    "'",
    "a\nb\tc",
    '"}]}], "x": [{"name": "',
    "--help",
    "\x1b[31mé\u202e🏴\U000e0067\U000e0062",
]

SAY = {
    "name": "say",
    "inputs": {"parameters": [{"name": "t"}]},
    "outputs": {
        "parameters": [{"name": "said", "valueFrom": {"path": "/tmp/said", "default": "{{inputs.parameters.t}}"}}]
    },
    "container": {
        **POD,
        "args": [
            "import sys; open(sys.argv[2], 'w').write(sys.argv[1])",
            "{{inputs.parameters.t}}",
            "{{outputs.parameters.said.path}}",
        ],
    },
}
SILENT = {
    **SAY,
    "name": "silent",
    "container": {
        **POD,
        "args": [
            "import sys; sys.exit(sys.argv[1] != sys.argv[2])",
            "{{inputs.parameters.t}}",
            "{{inputs.parameters.t}}",
        ],
    },
}


def give(value: str) -> dict[str, Any]:
    return {"parameters": [{"name": "t", "value": value}]}


def task(name: str, template: str, value: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "template": template, "arguments": give(value), **more}


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """Hands `text` to pods by every way there is."""
    inner = {
        "name": "inner",
        "inputs": {"parameters": [{"name": "t"}]},
        "outputs": {
            "parameters": [{"name": "said", "valueFrom": {"parameter": "{{steps.deep.outputs.parameters.said}}"}}]
        },
        "steps": [[task("deep", "say", "{{inputs.parameters.t}}")]],
    }
    by_default = {
        **SAY,
        "name": "by-default",
        "inputs": {"parameters": [{"name": "t", "default": "{{workflow.parameters.text}}"}]},
    }
    main = {
        "name": "main",
        "inputs": {"parameters": [{"name": "text"}]},
        "dag": {
            "tasks": [
                task("plain", "say", "{{workflow.parameters.text}}"),
                task("by-input", "say", "{{inputs.parameters.text}}"),
                task("by-expression", "say", "{{=workflow.parameters.text}}"),
                task("nested", "inner", "{{inputs.parameters.text}}"),
                task("from-output", "say", "{{tasks.nested.outputs.parameters.said}}", depends="nested"),
                task("from-default", "silent", "{{inputs.parameters.text}}"),
                {"name": "by-default", "template": "by-default"},
                task("items", "say", "{{item}}", withItems=["{{workflow.parameters.text}}"]),
                task("listed", "say", "{{item.t}}", withParam="{{workflow.parameters.list}}"),
                task("equal", "say", "yes", when="'{{inputs.parameters.text}}' == '{{workflow.parameters.text}}'"),
                task("bare", "say", "yes", when='{{inputs.parameters.text}} == "{{workflow.parameters.text}}"'),
                task("gated", "say", "yes", when="'{{workflow.parameters.text}}' == 'no'"),
            ]
        },
    }
    return write(tmp_path / "w.yaml", main, inner, by_default, SAY, SILENT, parameters=("text", "list", "secret"))


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_arrives_as_it_was_written(workflow: Path, tmp_path: Path, text: str) -> None:
    result = run(workflow, tmp_path / "run", text=text, secret="S3CRET", list=json.dumps([{"t": text}]))
    messages = {node.name: node.message for node in result.nodes if node.message}
    assert result.exit_code == 0, messages
    said = {node.name.partition("(")[0]: node.parameters.get("said") for node in result.nodes if not node.is_group}
    for name in ("equal", "bare"):
        assert said.pop(name) == "yes", messages
    assert said.pop("gated") is None and node(result, "gated").phase == "Skipped", "the text decides nothing"
    assert said == dict.fromkeys(said, text) and len(said) == 10


def test_an_expression_takes_no_text_in(tmp_path: Path) -> None:
    tried = {**SAY, "retryStrategy": {"limit": 1, "expression": "'{{inputs.parameters.t}}' == 'again'"}}
    main = {"name": "main", "dag": {"tasks": [task("tried", "say", "x")]}}
    with pytest.raises(UnsupportedWorkflow, match="reads inputs.parameters.t by its name; write it without braces"):
        run(write(tmp_path / "w.yaml", main, tried), tmp_path / "run")
