"""The guide's example of Kueue's objects is valid by Kueue's own resource definitions."""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.charts.helm import ROOT, Helm, stages
from tests.charts.test_validity import refuse_unknown_fields
from voicemill.cluster.queues import LABEL

GUIDE = ROOT / "docs" / "how-to" / "kueue.md"
Json = dict[str, Any]


def objects() -> list[Json]:
    """The objects of the guide's example."""
    (text,) = re.findall(r"```yaml\n(apiVersion: kueue.*?)```", GUIDE.read_text(), re.DOTALL)
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def schemas() -> dict[str, Json]:
    """Kind -> schema of the version that the guide uses, unknown fields refused."""
    folder = os.environ.get("KUEUE_CONFIG")
    if not folder:
        pytest.skip("needs the folder `config` of Kueue's module ($KUEUE_CONFIG)")
    found: dict[str, Json] = {}
    for file in Path(folder, "components", "crd", "bases").glob("*.yaml"):
        spec = yaml.load(file.read_text(), yaml.CSafeLoader)["spec"]
        schema = next(each for each in spec["versions"] if each["name"] == "v1beta2")["schema"]["openAPIV3Schema"]
        schema["properties"].pop("metadata")
        refuse_unknown_fields(schema)
        schema["properties"]["metadata"] = {"type": "object"}
        found[spec["names"]["kind"]] = schema
    return found


def test_the_guides_objects_are_valid(schemas: dict[str, Json]) -> None:
    for each in objects():
        jsonschema.validate(each, schemas[each["kind"]])


def test_a_field_that_does_not_exist_is_found(schemas: dict[str, Json]) -> None:
    queue = copy.deepcopy(next(each for each in objects() if each["kind"] == "ClusterQueue"))
    queue["spec"]["cohort"] = queue["spec"].pop("cohortName")
    with pytest.raises(jsonschema.ValidationError, match="cohort"):
        jsonschema.validate(queue, schemas["ClusterQueue"])


def test_every_queue_leads_to_a_cluster_queue_that_covers_what_gpu_pods_ask_for(helm: Helm) -> None:
    found, wanted = objects(), set[str]()
    for stage in stages(helm.render("gpu.queue.name=speech")).values():
        if LABEL in stage["metadata"]["labels"]:
            resources = stage["container"]["resources"]
            wanted |= resources["requests"].keys() | resources["limits"].keys()
    assert "nvidia.com/gpu" in wanted
    queues = {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "ClusterQueue"}
    flavors = {each["metadata"]["name"] for each in found if each["kind"] == "ResourceFlavor"}
    assert {each["spec"]["clusterQueue"] for each in found if each["kind"] == "LocalQueue"} == queues.keys()
    for spec in queues.values():
        (group,) = spec["resourceGroups"]
        assert set(group["coveredResources"]) == wanted
        assert {flavor["name"] for flavor in group["flavors"]} == flavors
        for flavor in group["flavors"]:
            assert [each["name"] for each in flavor["resources"]] == group["coveredResources"]
