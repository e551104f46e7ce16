"""Every object that the chart gives is valid by the schemas of Kubernetes and of Argo, unknown fields refused."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.helm import EXAMPLES, Helm, Json, one
from tests.shared import SHARED

OLDEST, NEWEST = "1.30.0", "1.34.0"
UNKNOWN = ("EventSource", "Sensor", "ServiceMonitor")
"""Kinds of other projects, whose schemas are not in the shared material."""


class Validator:
    """kubeconform with schemas of its own: kubernetes-validate's, and those in Argo's resource definitions.

    Args:
        program: Path of kubeconform.
        folder: Where the schemas go, in the form that kubeconform can read.
    """

    def __init__(self, program: str, folder: Path) -> None:
        if not SHARED:
            pytest.skip("needs Argo's custom resource definitions, in the shared material ($VOICEMILL_SHARED)")
        self.program = program
        self.folder = folder
        for version in (OLDEST, NEWEST):
            self._kubernetes(version)
        for kind in ("workflows", "workflowtemplates", "cronworkflows"):
            self._argo(SHARED / "cluster" / "crds" / f"argoproj.io_{kind}.yaml")

    def problems(self, objects: list[Json], kubernetes: str) -> list[str]:
        """What is wrong with objects; an object without a schema is wrong too."""
        places = [
            "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json",
            "argo/{{.ResourceKind}}.json",
        ]
        options = ["-strict", "-verbose", "-output", "json", "-kubernetes-version", kubernetes]
        for place in places:
            options += ["-schema-location", f"{self.folder}/{place}"]
        text = yaml.dump_all(objects, Dumper=yaml.CSafeDumper)
        done = subprocess.run([self.program, *options], input=text, capture_output=True, text=True)
        resources = json.loads(done.stdout)["resources"]
        assert len(resources) == len(objects)
        wrong = [each for each in resources if each["status"] != "statusValid"]
        return [f"{each['kind']} {each['name']}: {each['msg']}" for each in wrong]

    def _kubernetes(self, version: str) -> None:
        source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
        target = self.folder / f"v{version}"
        target.mkdir()
        for file in source.iterdir():
            # Without their public names the files refer to each other where they lie.
            text = re.sub(r'"\$id": "[^"]*"', '"$comment": ""', file.read_text())
            (target / file.name).write_text(text.replace("/api/_definitions.json", "_definitions.json"))

    def _argo(self, definition: Path) -> None:
        spec = yaml.load(definition.read_text(), yaml.CSafeLoader)["spec"]
        (version,) = spec["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        refuse_unknown_fields(schema)
        (self.folder / "argo").mkdir(exist_ok=True)
        (self.folder / "argo" / f"{spec['names']['kind'].lower()}.json").write_text(json.dumps(schema))


def refuse_unknown_fields(schema: Any) -> None:
    """Make a resource definition's schema as strict as an API server that is asked to be."""
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        refuse_unknown_fields(each)
    if isinstance(schema, dict) and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)


@pytest.fixture(scope="module")
def validator(kubeconform: str, tmp_path_factory: pytest.TempPathFactory) -> Validator:
    return Validator(kubeconform, tmp_path_factory.mktemp("schemas"))


@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_every_object_of_every_example_is_valid(helm: Helm, validator: Validator, kubernetes: str) -> None:
    objects: list[Json] = []
    # Image volumes are younger than the oldest Kubernetes.
    settings = ("models.from=s3", "models.s3.location=s3://acme/models") if kubernetes == OLDEST else ()
    for values in EXAMPLES:
        # Argo Events describes its objects by no schema in its resource definitions; test_triggers.py looks at them.
        made = helm.render(*settings, values=values, kubernetes=kubernetes)
        rendered = [each for each in made if each["kind"] not in UNKNOWN]
        submitted = json.loads(one(rendered, "ConfigMap", "voicemill-test")["data"]["workflow.json"])
        objects += [*rendered, submitted]
    assert validator.problems(objects, kubernetes) == []


def test_claims_of_devices_are_valid_where_kubernetes_has_them(helm: Helm, validator: Validator) -> None:
    typed = helm.render("gpu.select=claim", "gpu.claim.typed=true", "metrics.stages.enabled=true")
    assert validator.problems(typed, NEWEST) == []
    objects = helm.render("gpu.select=claim")
    assert validator.problems(objects, NEWEST) == []
    problems = validator.problems(objects, OLDEST)
    assert len(problems) == 3 and all(problem.startswith("ResourceClaimTemplate ") for problem in problems)


def test_a_field_that_does_not_exist_is_found(helm: Helm, validator: Validator) -> None:
    objects = json.loads(json.dumps(helm.render()))
    one(objects, "WorkflowTemplate", "clone-voice")["spec"]["templates"][1]["container"]["imagePolicy"] = "Always"
    one(objects, "Role", "voicemill")["rule"] = []
    problems = validator.problems(objects, NEWEST)
    assert len(problems) == 2
    assert "imagePolicy" in "".join(problems) and "'rule'" in "".join(problems)
