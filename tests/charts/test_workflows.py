"""The rendered workflows are the generated ones, with what the values say in the places where they say it."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import pytest
import yaml

from tests.charts.helm import CHART, NAMESPACE, Helm, Json, one, stages
from voicemill import __version__
from voicemill.models.layout import SHARED_CACHE

GENERATED = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CHART / "workflows").glob("*.yaml"))}
RELEASE_LABELS = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
)


def without_what_the_chart_sets(workflow: Json) -> Json:
    """A workflow, generated or rendered, less the fields that are the chart's to set with default values."""
    workflow = deepcopy(workflow)
    metadata, spec = workflow["metadata"], workflow["spec"]
    metadata.pop("namespace", None)
    metadata.get("annotations", {}).pop("voicemill.dev/image-pull-seconds", None)
    metadata["annotations"] = metadata.get("annotations", {})
    for name in RELEASE_LABELS:
        metadata.get("labels", {}).pop(name, None)
    spec.pop("artifactRepositoryRef", None)
    spec["artifactGC"].pop("serviceAccountName")
    for template in spec["templates"]:
        if container := template.get("container"):
            container.pop("imagePullPolicy", None)
            template["podSpecPatch"] = json.loads(template["podSpecPatch"])
    return workflow


@pytest.mark.parametrize("name", GENERATED)
def test_nothing_else_of_a_workflow_is_changed(helm: Helm, name: str) -> None:
    generated = GENERATED[name]
    rendered = one(helm.render(), "WorkflowTemplate", generated["metadata"]["name"])
    assert without_what_the_chart_sets(rendered) == without_what_the_chart_sets(generated)


def test_every_generated_workflow_is_rendered(helm: Helm) -> None:
    rendered = {each["metadata"]["name"] for each in helm.render() if each["kind"] == "WorkflowTemplate"}
    rendered.remove("voicemill-test")
    assert rendered == {each["metadata"]["name"] for each in GENERATED.values()}


def test_the_installation_page_names_every_workflow() -> None:
    page = (CHART.parents[1] / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
    sentence = re.search(r"the WorkflowTemplates (.*?);", page, re.DOTALL)
    assert sentence
    assert re.findall(r"`([a-z-]+)`", sentence[1]) == sorted(each["metadata"]["name"] for each in GENERATED.values())


def test_pods_run_as_the_releases_account_with_its_settings(helm: Helm) -> None:
    workflow = one(helm.render("serviceAccount.name=singer", "s3.secret.name=keys"), "WorkflowTemplate", "clone-voice")
    assert workflow["metadata"]["namespace"] == NAMESPACE
    assert workflow["spec"]["serviceAccountName"] == "singer"
    assert workflow["spec"]["artifactGC"]["serviceAccountName"] == "singer-gc"
    conducting = stages(helm.render("serviceAccount.name=singer", "s3.secret.name=keys"), "clone-batch")
    assert {each["serviceAccountName"] for each in conducting.values()} == {"singer-conductor"}
    assert workflow["spec"]["artifactRepositoryRef"] == {"configMap": "artifact-repositories", "key": "voicemill"}
    for template in workflow["spec"]["templates"]:
        if "container" in template:
            assert template["container"]["envFrom"] == [
                {"configMapRef": {"name": "voicemill", "optional": True}},
                {"secretRef": {"name": "keys", "optional": True}},
            ]


def test_argos_own_containers_comply_with_restricted(helm: Helm) -> None:
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for stage in stages(helm.render()).values():
        patch = json.loads(stage["podSpecPatch"])
        assert {"name": "init", "securityContext": context} in patch["initContainers"]
        assert {"name": "wait", "securityContext": context} in patch["containers"]
    for stage in stages(helm.render("argo.restrictExecutor=false")).values():
        patch = json.loads(stage["podSpecPatch"])
        assert "initContainers" not in patch and [each["name"] for each in patch["containers"]] == ["main"]


def test_images_take_registry_tag_and_a_stages_own_reference(helm: Helm) -> None:
    plain = stages(helm.render())
    assert plain["train-gpt"]["container"]["image"] == f"voicemill-train-gpt:{__version__}"
    changed = stages(
        helm.render(
            "images.registry=registry.example.com:5000/speech/",
            "images.tag=nightly",
            'images.pullSecrets=["registry"]',
            "stages.slice.image=elsewhere/slice@sha256:00",
        )
    )
    assert changed["train-gpt"]["container"]["image"] == "registry.example.com:5000/speech/voicemill-train-gpt:nightly"
    assert changed["slice"]["container"]["image"] == "elsewhere/slice@sha256:00"


def test_a_stages_memory_grows_from_the_size_that_it_was_given(helm: Helm) -> None:
    stage = stages(helm.render("stages.train-sovits.memory=20Gi", "stages.train-sovits.cpu=6"))["train-sovits"]
    resources = stage["container"]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "20Gi"
    assert resources["requests"]["cpu"] == "6"
    main = next(each for each in json.loads(stage["podSpecPatch"])["containers"] if each["name"] == "main")
    for kind in ("requests", "limits"):
        assert main["resources"][kind]["memory"].startswith("{{=string(20480 * (lastRetry.exitCode == '137'")


def test_parameters_get_the_defaults_that_the_values_say(helm: Helm) -> None:
    objects = helm.render("workflows.parameters.language=zh", "workflows.parameters.sovits-epochs=12")
    spec = one(objects, "WorkflowTemplate", "clone-voice")["spec"]
    given = {each["name"]: each.get("value") for each in spec["arguments"]["parameters"]}
    assert given["language"] == "zh"
    assert given["sovits-epochs"] == "12"
    assert given["proofread"] == "never"


def test_workflows_and_pods_carry_labels_and_the_instance_of_their_controller(helm: Helm) -> None:
    spec = one(helm.render(values="production"), "WorkflowTemplate", "clone-voice")["spec"]
    labels = spec["workflowMetadata"]["labels"]
    assert labels["cost-centre"] == "speech"
    assert labels["workflows.argoproj.io/controller-instanceid"] == "voices"
    assert spec["ttlStrategy"]["secondsAfterFailure"] == 604800
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["podPriorityClassName"] == "batch-low"


def test_models_are_mounted_where_a_stage_reads_them(helm: Helm) -> None:
    objects = helm.render(values="no-gpu-labels")
    spec = one(objects, "WorkflowTemplate", "clone-voice")["spec"]
    assert {each["name"]: each.get("value") for each in spec["arguments"]["parameters"]}["models"] == "/models"
    for name, stage in stages(objects).items():
        takes = "models" in stage["metadata"]["annotations"].get("voicemill.dev/locations", "").split(",")
        claims = [each for each in stage.get("volumes", []) if "persistentVolumeClaim" in each]
        mounts = [each for each in stage["container"].get("volumeMounts", []) if each["name"] == "models"]
        assert len(claims) == len(mounts) == takes, name
        assert all(each["readOnly"] for each in mounts)
    (image,) = (each for each in stages(helm.render(values="production"))["train-gpt"]["volumes"] if "image" in each)
    assert image["image"]["reference"].startswith("registry.example.com/speech/models@sha256:")
    for stage in stages(objects, "voicemill-stages").values():
        defaults = {each["name"]: each.get("default") for each in stage["inputs"]["parameters"]}
        if "models" in stage["metadata"]["annotations"].get("voicemill.dev/locations", "").split(","):
            assert defaults["models"] == "/models", stage["name"]
    from_s3 = one(helm.render("models.from=s3", "models.s3.location=s3://b/models"), "WorkflowTemplate", "clone-voice")
    assert {"name": "models", "value": "s3://b/models"}.items() <= next(
        each for each in from_s3["spec"]["arguments"]["parameters"] if each["name"] == "models"
    ).items()


def test_models_are_prepared_where_stages_read_them(helm: Helm) -> None:
    objects = helm.render(values="no-gpu-labels")
    spec = one(objects, "WorkflowTemplate", "prepare-models")["spec"]
    assert {each["name"]: each["value"] for each in spec["arguments"]["parameters"]} == {
        "destination": "/models",
        "source": "",
        "models": "",
        "config": "",
    }
    container = stages(objects, "prepare-models")["prepare-models"]["container"]
    assert {"name": "models", "mountPath": "/models", "readOnly": False} in container["volumeMounts"]


def test_a_namespace_that_wants_every_limit_gets_them(helm: Helm) -> None:
    executor = {"requests": {"cpu": "10m"}, "limits": {"cpu": "500m", "memory": "256Mi", "ephemeral-storage": "1Gi"}}
    objects = helm.render(
        "pods.cpuLimit=4",
        "pods.ephemeralStorage=20Gi",
        "stages.train-gpt.cpuLimit=8",
        "stages.train-gpt.ephemeralStorage=40Gi",
        f"argo.executorResources={json.dumps(executor)}",
        *("proofread.enabled=true", "proofread.reviewersSecret=reviewers"),
        *("serve.enabled=true", 'serve.voices=["anna@prod"]', "serve.keysSecret=keys"),
        'serve.resources.limits={"cpu": "2", "memory": "8Gi"}',
        "serve.models=s3://voices/models",
    )
    pods = [
        *(
            one(objects, "Deployment", f"voicemill-{name}")["spec"]["template"]["spec"]
            for name in ("proofread", "serve")
        ),
        one(objects, "Pod", "voicemill-test")["spec"],
    ]
    limits = [container["resources"]["limits"] for pod in pods for container in pod["containers"]]
    assert [each["cpu"] for each in limits] == ["4", "2", "4"]
    assert all(each["ephemeral-storage"] == "20Gi" and each["memory"] for each in limits)
    for name, stage in stages(objects).items():
        resources = stage["container"]["resources"]
        own = name == "train-gpt"
        assert resources["limits"]["cpu"] == ("8" if own else "4")
        assert {resources[kind]["ephemeral-storage"] for kind in ("requests", "limits")} == {"40Gi" if own else "20Gi"}
        assert resources["limits"]["memory"] and resources["requests"]["cpu"]
        patch = json.loads(stage["podSpecPatch"])
        (init,) = patch["initContainers"]
        (wait,) = (each for each in patch["containers"] if each["name"] == "wait")
        assert init["resources"] == wait["resources"] == executor
        assert init["securityContext"] and wait["securityContext"]
    collector = json.loads(one(objects, "WorkflowTemplate", "clone-voice")["spec"]["artifactGC"]["podSpecPatch"])
    (main,) = collector["containers"]
    assert main["command"] == ["argoexec"] and main["resources"]["limits"]["ephemeral-storage"] == "1Gi"


def test_a_platform_that_chooses_users_itself_is_not_told_one(helm: Helm) -> None:
    objects = helm.render("pods.user=0", "proofread.enabled=true", "proofread.reviewersSecret=reviewers")
    found = [
        *(stage["securityContext"] for stage in stages(objects).values()),
        one(objects, "WorkflowTemplate", "clone-voice")["spec"]["securityContext"],
        one(objects, "Deployment", "voicemill-proofread")["spec"]["template"]["spec"]["securityContext"],
        one(objects, "Pod", "voicemill-test")["spec"]["securityContext"],
    ]
    assert all(each == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} for each in found)


def test_a_run_says_how_long_an_image_may_be_waited_for(helm: Helm) -> None:
    annotations = one(helm.render("images.pullLimitSeconds=90"), "WorkflowTemplate", "clone-voice")["metadata"]
    assert annotations["annotations"]["voicemill.dev/image-pull-seconds"] == "90"


def test_pods_know_where_their_run_is_stored_and_whether_to_reuse(helm: Helm) -> None:
    """So that a stage finds what an earlier run made; a value turns it off for a release."""
    of_clone = stages(helm.render())["train-gpt"]
    annotations = of_clone["metadata"]["annotations"]
    assert annotations["voicemill.dev/reuse"] == "{{workflow.parameters.reuse}}"
    assert annotations["voicemill.dev/artifact-keys"] == "voices/{{workflow.parameters.speaker}}/{{workflow.name}}"
    from_pod = {
        item["name"]: item["valueFrom"]["fieldRef"]["fieldPath"]
        for item in of_clone["container"]["env"]
        if "fieldRef" in item.get("valueFrom", {})
    }
    assert from_pod["VOICEMILL_REUSE"] == "metadata.annotations['voicemill.dev/reuse']"
    assert from_pod["VOICEMILL_KEYS"] == "metadata.annotations['voicemill.dev/artifact-keys']"
    assert from_pod["VOICEMILL_NAMESPACE"] == "metadata.namespace"
    never = helm.render('workflows.parameters={"reuse": "never"}')
    for name in ("clone-voice", "build-voice"):
        parameters = one(never, "WorkflowTemplate", name)["spec"]["arguments"]["parameters"]
        assert next(item["value"] for item in parameters if item["name"] == "reuse") == "never"
    for template in one(helm.render(), "WorkflowTemplate", "voicemill-stages")["spec"]["templates"]:
        taken = [item for item in template["inputs"]["parameters"] if item["name"] == "reuse"]
        assert [item["value"] for item in taken] == ["auto"] * len(taken), "for whoever calls the stage by itself"


def test_models_from_s3_are_kept_on_nodes_where_a_value_says_so(helm: Helm) -> None:
    from_s3 = ("models.from=s3", "models.s3.location=s3://b/models")
    assert not any(
        "hostPath" in volume for each in stages(helm.render(*from_s3)).values() for volume in each["volumes"]
    )
    kept = stages(helm.render(*from_s3, "models.cache.hostPath=/var/cache/models"))
    volume = {"name": "models-cache", "hostPath": {"path": "/var/cache/models", "type": "DirectoryOrCreate"}}
    for name, stage in kept.items():
        takes = "models" in stage["metadata"]["annotations"].get("voicemill.dev/locations", "").split(",")
        assert (volume in stage["volumes"]) == takes, name
        told = {each["name"]: each.get("value") for each in stage["container"]["env"]}
        mounts = {each["name"]: each["mountPath"] for each in stage["container"]["volumeMounts"]}
        assert (
            told.get(SHARED_CACHE) == mounts.get("models-cache") == ("/var/cache/voicemill-models" if takes else None)
        )
    assert "models.from=s3" in helm.refused("models.cache.hostPath=/var/cache/models")
    assert "hostPath" in helm.refused(*from_s3, "models.cache.hostPath=/var/cache/models", "namespace.create=true")
