"""The conformance table: small workflows with the phases and outputs that Argo gives them.

Each `x.yaml` is a valid Argo 4.1 workflow, its image a parameter; `x.expected.yaml` says how it ends. The expectations
follow Argo's source; the same table runs on a real Argo where there is one. Where this engine deliberately differs,
the key `argo` says what Argo does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.engine.running import run
from tests.shared import SHARED

FOLDER = Path(__file__).parent / "conformance"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".expected.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_workflow_ends_as_on_argo(path: Path, tmp_path: Path) -> None:
    expected = yaml.safe_load(path.with_suffix(".expected.yaml").read_text())
    result = run(path, tmp_path / "run")
    nodes = {node.name: node for node in result.nodes}
    # Argo shows a node for a fan-out as a whole in a DAG, not in steps.
    phases = {name: str(node.phase) for name, node in nodes.items() if name in expected["nodes"] or not node.is_group}
    messages = {name: node.message for name, node in nodes.items() if node.message}
    assert phases == expected["nodes"], messages
    assert str(result.phase) == expected["phase"], messages
    assert result.outputs == expected.get("outputs", {})
    assert {name: len(nodes[name].children) for name in expected.get("tries", {})} == expected.get("tries", {})


def test_the_table_is_valid_argo() -> None:
    documents = [document for path in CASES for document in yaml.safe_load_all(path.read_text())]
    assert {document["kind"] for document in documents} == {"Workflow", "WorkflowTemplate"}
    if SHARED is None:
        return
    schema = json.loads((SHARED / "schemas" / "argo-workflows-4.1.2.schema.json").read_text())
    for document in documents:
        kind = f"io.argoproj.workflow.v1alpha1.{document['kind']}"
        validator = Draft7Validator({"definitions": schema["definitions"], "$ref": f"#/definitions/{kind}"})
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []
