"""The YAML in the chart is what Hera makes of the workflows: a changed workflow shows as a readable diff."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.shared import SHARED

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "workflows"
CHART = ROOT / "charts" / "voicemill" / "workflows"
GOLDEN = sorted(path.name for path in CHART.glob("*.yaml"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    hera = [str(Path(sys.executable).with_name("hera")), "generate", "yaml", str(WORKFLOWS), "--to", str(folder)]
    subprocess.run(hera, check=True, cwd=ROOT, capture_output=True)
    return folder


def test_each_workflow_has_its_golden_yaml(generated: Path) -> None:
    assert sorted(path.name for path in generated.glob("*.yaml")) == GOLDEN
    assert "clone_voice.yaml" in GOLDEN


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_yaml_is_up_to_date(generated: Path, name: str) -> None:
    message = "run `make golden` and look at the diff"
    assert (generated / name).read_text() == (CHART / name).read_text(), message


@pytest.mark.parametrize("name", GOLDEN)
def test_every_task_calls_a_template_with_the_inputs_it_needs(name: str) -> None:
    spec = yaml.safe_load((CHART / name).read_text())["spec"]
    templates = {template["name"]: template for template in spec["templates"]}
    assert len(templates) == len(spec["templates"])
    for task in templates[spec["entrypoint"]]["dag"]["tasks"] if "entrypoint" in spec else ():
        if "templateRef" in task:
            continue
        inputs = templates[task["template"]].get("inputs", {})
        given = task.get("arguments", {})
        for kind in ("artifacts", "parameters"):
            names = {entry["name"] for entry in given.get(kind, [])}
            known = {entry["name"] for entry in inputs.get(kind, [])}
            needed = {e["name"] for e in inputs.get(kind, []) if not (e.get("optional") or "default" in e or "s3" in e)}
            assert names <= known, f"{task['name']} is given {names - known}, which it does not take"
            assert needed <= names, f"{task['name']} needs {needed - names}"


@pytest.mark.parametrize("name", GOLDEN)
def test_objects_are_valid_by_argos_schema(name: str) -> None:
    document = yaml.safe_load((CHART / name).read_text())
    assert document["kind"] == "WorkflowTemplate"
    if SHARED and (found := sorted((SHARED / "schemas").glob("argo-workflows-*.schema.json"))):
        definitions = json.loads(found[-1].read_text())["definitions"]
        reference = "#/definitions/io.argoproj.workflow.v1alpha1.WorkflowTemplate"
        Draft7Validator({"definitions": definitions, "$ref": reference}).validate(document)


def test_argo_itself_finds_nothing_wrong() -> None:
    argo = Path(os.environ.get("ARGO_BIN_DIR", "")) / "argo"
    if not argo.is_file():
        pytest.skip("needs Argo's command line (the folder of `argo` in $ARGO_BIN_DIR)")
    linted = subprocess.run([argo, "lint", "--offline", "--no-color", str(CHART)], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_declaring_the_workflows_needs_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "librosa", "soundfile", "faster_whisper", "onnxruntime", "matplotlib")
    code = f"import sys, workflows.clone_voice; print([name for name in {heavy!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert printed.stdout.strip() == "[]"
