"""What every pod of every workflow has to be, on any cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hera.workflows import Container, Workflow, WorkflowTemplate

from tests.workflows.test_golden_yaml import CHART, GOLDEN
from voicemill.stages import every, slice_clips

KEPT = {
    "train-sovits/weights",
    "train-gpt/weights",
    "publish/voice",
    "synthesize/speech",
    "collect-speech/manifest",
    "join/audio",
    "report/report",
    "compare/comparison",
    "batch-report/table",
}
FILES = ("measures", "report", "manifest")
STAGES = [
    pytest.param(template, id=f"{name}-{template['name']}")
    for name in GOLDEN
    for template in yaml.safe_load((CHART / name).read_text())["spec"]["templates"]
    if "container" in template
]


def spec_of(name: str) -> dict[str, Any]:
    return yaml.safe_load((CHART / name).read_text())["spec"]


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "voicemill_stages.yaml"])
def test_descriptions_are_where_people_look_and_not_in_every_node(name: str) -> None:
    spec = spec_of(name)
    assert all(parameter.get("description") for parameter in spec["arguments"]["parameters"])
    inputs = [item for template in spec["templates"] for item in template.get("inputs", {}).get("parameters", [])]
    assert inputs and not [item["name"] for item in inputs if "description" in item]


RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def check_pod(security: dict[str, Any]) -> None:
    assert security["runAsNonRoot"] and security["runAsUser"] == security["fsGroup"] == 65532
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_workflow_is_the_accounts_and_is_cleared_away(name: str) -> None:
    spec = spec_of(name)
    check_pod(spec["securityContext"])
    assert spec["serviceAccountName"] == spec["artifactGC"]["serviceAccountName"] == "voicemill"
    assert spec["artifactGC"]["strategy"] == "OnWorkflowDeletion" and spec["ttlStrategy"]["secondsAfterFailure"]


@pytest.mark.parametrize("template", STAGES)
def test_a_template_brings_all_that_its_pod_needs(template: dict[str, Any]) -> None:
    check_pod(template["securityContext"])
    assert template["serviceAccountName"].startswith("voicemill")
    mounted = {mount["name"] for mount in template["container"]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in template["volumes"]} == {"scratch", "shm"}
    patched = yaml.safe_load(template["podSpecPatch"])
    for containers, name in (("initContainers", "init"), ("containers", "wait")):
        assert {"name": name, "securityContext": RESTRICTED} in patched[containers]


@pytest.mark.parametrize("template", STAGES)
def test_a_container_is_restricted_and_writes_only_where_it_may(template: dict[str, Any]) -> None:
    container = template["container"]
    assert container["securityContext"] == {**RESTRICTED, "readOnlyRootFilesystem": True}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/dev/shm"}
    artifacts = [item for way in ("inputs", "outputs") for item in template[way].get("artifacts", [])]
    assert all(item["path"].startswith("/tmp/voicemill/") for item in artifacts)
    sources = {kind: source["name"] for entry in container["envFrom"] for kind, source in entry.items()}
    assert sources == {"configMapRef": "voicemill", "secretRef": "voicemill-s3"}
    assert all(source["optional"] for entry in container["envFrom"] for source in entry.values())


@pytest.mark.parametrize("template", STAGES)
def test_tries_are_limited_in_number_and_time_and_memory_is_bounded(template: dict[str, Any]) -> None:
    assert template["activeDeadlineSeconds"] and template["retryStrategy"]["limit"] == "10"
    assert template["container"]["resources"]["limits"]["memory"]
    assert template["container"]["command"], "Argo would ask a registry for the image's entry point"
    asks = "nvidia.com/gpu" in template["container"]["resources"]["limits"]
    assert asks == ("affinity" in template) == bool(template.get("tolerations"))


@pytest.mark.parametrize("template", STAGES)
def test_what_a_run_was_for_outlives_it_and_all_else_goes_with_it(template: dict[str, Any]) -> None:
    for artifact in template["outputs"]["artifacts"]:
        kept = f"{template['name']}/{artifact['name']}" in KEPT
        assert artifact.get("artifactGC") == ({"strategy": "Never"} if kept else None)
        assert artifact["s3"].keys() == {"key"}, "where the bucket is, only the artifact repository says"
        is_folder = not Path(artifact["path"]).suffix and artifact["name"] not in FILES
        assert artifact["s3"]["key"].endswith("/") == is_folder, "Argo deletes a folder only by a key with a slash"


def test_everything_that_is_kept_is_an_artifact_of_some_stage() -> None:
    assert {f"{stage.name}/{name}" for stage in every() for name in stage.kept} == KEPT
    assert all(set(stage.kept) <= {artifact.name for artifact in stage.outputs} for stage in every())


@pytest.mark.parametrize("kind", [Workflow, WorkflowTemplate])
def test_a_workflow_of_somebody_elses_is_left_as_it_is(kind: type[Workflow]) -> None:
    from voicemill.workflows.clone_voice import workflow

    assert workflow.to_yaml() == workflow.to_yaml()
    with kind(name="theirs", entrypoint="c") as other:
        Container(name="c", image="busybox", command=["true"])
        slice_clips.container()
    spec = yaml.safe_load(other.to_yaml())["spec"]  # pyright: ignore
    assert spec.keys() == {"entrypoint", "templates"}
    theirs, ours = spec["templates"]
    assert theirs.keys() == {"name", "container"} and theirs["container"].keys() == {"image", "command"}
    test_a_template_brings_all_that_its_pod_needs(ours)


def test_only_what_conducts_workflows_may_make_them_and_only_once_at_a_time() -> None:
    accounts = {case.values[0]["name"]: case.values[0].get("serviceAccountName") for case in STAGES}  # pyright: ignore
    assert {name for name, account in accounts.items() if account == "voicemill-conductor"} == {
        *("run-batch", "batch-report")
    }
    templates = {template["name"]: template for template in spec_of("clone_batch.yaml")["templates"]}
    assert templates["run-batch"]["synchronization"]["mutexes"] == [{"name": "batch-{{inputs.parameters.batch}}"}]
