"""Other people's workflows of our stages, as the documentation shows them: valid for Argo, and run."""

import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.shared import SHARED
from tests.workflows.test_golden_yaml import CHART, ROOT
from voicemill.engine import validation, workflow

EXAMPLES = ROOT / "examples" / "workflows"
CLIP = ROOT / "charts" / "voicemill" / "files" / "one-clip.ogg"
PAGE = ROOT / "docs" / "how-to" / "own-workflows.md"
FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".yaml"))


def documents(name: str) -> list[dict[str, Any]]:
    path = EXAMPLES / name
    if path.suffix == ".py":
        return workflow.read(path)
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_valid_by_argos_schema(name: str) -> None:
    if not SHARED:
        pytest.skip("needs Argo's schema, in the shared material ($VOICEMILL_SHARED)")
    (file,) = (SHARED / "schemas").glob("argo-workflows-*.schema.json")
    definitions = json.loads(file.read_text())["definitions"]
    for document in documents(name):
        reference = f"#/definitions/io.argoproj.workflow.v1alpha1.{document['kind']}"
        Draft7Validator({"definitions": definitions, "$ref": reference}).validate(document)


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_one_object(name: str) -> None:
    """What is piped into `argo submit` must not hold the workflows that an example imports."""
    assert [each["kind"] for each in documents(name)] in (["Workflow"], ["CronWorkflow"])


@pytest.mark.parametrize("name", FILES)
def test_an_example_calls_what_there_is_with_what_it_takes(name: str) -> None:
    for document in documents(name):
        if document["kind"] == "CronWorkflow":
            spec = document["spec"]["workflowSpec"]
            document = {"kind": "Workflow", "metadata": document["metadata"], "spec": spec}
        read = workflow.of_document(document)
        validation.check(read)
        given = {item["name"]: item["value"] for item in document["spec"]["arguments"]["parameters"] if "value" in item}
        if "workflowTemplateRef" in document["spec"]:
            workflow.arguments(read, given)


@pytest.mark.parametrize("name", ["own_workflow.py", "by_template_ref.yaml"])
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "voicemill", "run", str(EXAMPLES / name), "-p", f"source={CLIP}"]
    ended = subprocess.run([*command, "--out", str(tmp_path / "run")], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert list((tmp_path / "run" / "slice" / "clips").glob("*.wav"))


def test_the_page_shows_every_example_and_commands_with_parameters_that_exist() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"examples/workflows/(\w+\.\w+)", page)) >= set(FILES)
    commands = re.findall(r"^ {4}(argo submit (?:[^\n\\]|\\\n)*)", page, re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        words = shlex.split(command.replace("\\\n", " "))
        options = dict(pairwise(words))
        name = options["--from"].removeprefix("workflowtemplate/")
        spec = yaml.safe_load((CHART / f"{name.replace('-', '_')}.yaml").read_text())["spec"]
        declared = spec.get("arguments", {}).get("parameters", [])
        if entrypoint := options.get("--entrypoint"):
            (template,) = (each for each in spec["templates"] if each["name"] == entrypoint)
            declared = template["inputs"]["parameters"]
        given = {word.partition("=")[0] for flag, word in pairwise(words) if flag == "-p"}
        assert given <= {item["name"] for item in declared}
        assert {item["name"] for item in declared if not {"value", "default"} & item.keys()} <= given


def test_the_state_of_a_training_lies_below_its_keys_unless_it_is_said_otherwise() -> None:
    from voicemill.engine.scope import Scope, filled

    spec = yaml.safe_load((CHART / "voicemill_stages.yaml").read_text())["spec"]
    for template in spec["templates"]:
        for state in (item for item in template["container"]["args"] if "inputs.parameters.state ==" in item):
            keys = {"inputs.parameters.keys": "voices/anna/run-1"}
            place = f"s3:///voices/anna/run-1/{template['name']}/state"
            assert filled(state, Scope({**keys, "inputs.parameters.state": ""})) == place
            assert filled(state, Scope({**keys, "inputs.parameters.state": "/mnt/state"})) == "/mnt/state"
    assert sum("inputs.parameters.state ==" in str(template) for template in spec["templates"]) >= 3
