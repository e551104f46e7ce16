"""The server in the cluster: off unless asked for, restricted, and ended only when it has finished."""

from __future__ import annotations

import json

import pytest

from tests.charts.helm import Helm, Json, one
from voicemill.models.layout import SHARED_CACHE

NAME = "voicemill-serve"
ON = ("serve.enabled=true", 'serve.voices=["anna@prod"]', "serve.keysSecret=keys", "serve.models=s3://acme/models")


def kinds(objects: list[Json]) -> set[str]:
    return {each["kind"] for each in objects if each["metadata"]["name"] == NAME}


def pod(helm: Helm, *sets: str, values: str = "minimal") -> Json:
    return one(helm.render(*sets, values=values), "Deployment", NAME)["spec"]["template"]["spec"]


def test_nothing_of_it_is_there_unless_asked_for(helm: Helm) -> None:
    assert kinds(helm.render()) == set()
    basic = {"ServiceAccount", "Deployment", "Service", "NetworkPolicy"}
    assert kinds(helm.render(*ON)) == basic
    assert kinds(helm.render(*ON, "serve.replicas=2")) == basic | {"PodDisruptionBudget"}
    more = {"PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor"}
    assert kinds(helm.render(values="production")) == basic | more


def test_its_pods_are_restricted_and_ask_the_api_server_for_nothing(helm: Helm) -> None:
    spec = pod(helm, *ON)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not [part for part in container["args"] if "keys.yaml" not in part and "key" in part]


def test_a_pod_ends_after_what_it_has_begun_and_its_successor_is_ready_before(helm: Helm) -> None:
    spec = pod(helm, *ON, "serve.drainSeconds=90")
    (container,) = spec["containers"]
    assert "--drain=90" in container["args"]
    (_, slept) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert spec["terminationGracePeriodSeconds"] > 90 + int(slept)
    assert container["readinessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/readyz"
    deployment = one(helm.render(*ON), "Deployment", NAME)["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_models_from_s3_are_kept_on_nodes_as_those_of_the_stages(helm: Helm) -> None:
    kept = ("models.from=s3", "models.s3.location=s3://acme/models", "models.cache.hostPath=/var/cache/models")
    volume = {"name": "models-cache", "hostPath": {"path": "/var/cache/models", "type": "DirectoryOrCreate"}}
    for models, takes in (("", True), ("s3://acme/others", True), ("/models", False)):
        spec = pod(helm, *ON[:-1], *kept, f"serve.models={models}")
        (container,) = spec["containers"]
        told = {each["name"]: each.get("value") for each in container["env"]}
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert (volume in spec["volumes"]) == takes
        place = "/var/cache/voicemill-models" if takes else None
        assert told.get(SHARED_CACHE) == mounts.get("models-cache") == place
    assert "hostPath" not in json.dumps(pod(helm, *ON))


def test_its_user_and_its_gpu_are_those_of_the_stages(helm: Helm) -> None:
    assert pod(helm, *ON, "pods.user=1000")["securityContext"]["runAsUser"] == 1000
    # As on OpenShift, which gives a namespace its own range of users.
    assert "runAsUser" not in pod(helm, *ON, "pods.user=0")["securityContext"]
    (container,) = pod(helm, *ON, "gpu.inference.resource=nvidia.com/mig-1g.10gb")["containers"]
    limits = container["resources"]["limits"]
    assert limits["nvidia.com/mig-1g.10gb"] == 1 and "nvidia.com/gpu" not in limits


def test_voices_of_onnx_graphs_are_served_without_torch_and_a_gpu(helm: Helm) -> None:
    (container,) = pod(helm, *ON, "serve.onnx=true")["containers"]
    assert container["image"].rpartition(":")[0].endswith("voicemill-serve-onnx")
    assert "nvidia.com/gpu" not in container["resources"].get("limits", {}) and "--device=cpu" in container["args"]
    (usual,) = pod(helm, *ON)["containers"]
    assert usual["image"].rpartition(":")[0].endswith("voicemill-serve")


def test_voices_of_onnx_graphs_are_served_without_models(helm: Helm) -> None:
    without = ON[:-1]
    (container,) = pod(helm, *without, "serve.onnx=true")["containers"]
    assert not any(argument.startswith("--models") for argument in container["args"])
    assert "serve.models must say where the pretrained models are" in helm.refused(*without)


def test_it_takes_a_gpu_of_the_class_for_inference_or_none(helm: Helm) -> None:
    spec = pod(helm, *ON)
    (container,) = spec["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["3700"]}]
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    spec = pod(helm, *ON, "serve.gpu=false")
    (container,) = spec["containers"]
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert "affinity" not in spec and "--device=cpu" in container["args"]
    objects = helm.render(*ON, "gpu.select=claim")
    spec = one(objects, "Deployment", NAME)["spec"]["template"]["spec"]
    (claim,) = spec["resourceClaims"]
    assert spec["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    assert one(objects, "ResourceClaimTemplate", claim["resourceClaimTemplateName"])


@pytest.mark.parametrize(
    ("sets", "place", "volume"),
    [
        (
            ("models.from=claim",),
            "/models",
            {"persistentVolumeClaim": {"claimName": "voicemill-models", "readOnly": True}},
        ),
        (
            ("models.from=image", "models.image.reference=models@sha256:0"),
            "/models",
            {"image": {"reference": "models@sha256:0", "pullPolicy": "IfNotPresent"}},
        ),
        (("models.from=s3", "models.s3.location=s3://acme/models"), "s3://acme/models", None),
    ],
)
def test_models_come_from_where_those_of_workflows_do(
    helm: Helm, sets: tuple[str, ...], place: str, volume: Json | None
) -> None:
    spec = pod(helm, *ON[:-1], *sets)
    (container,) = spec["containers"]
    assert f"--models={place}" in container["args"]
    found = [each for each in spec["volumes"] if each["name"] == "models"]
    assert found == ([{"name": "models", **volume}] if volume else [])


def test_its_arguments_are_those_of_the_command(helm: Helm) -> None:
    """The command itself reads them: a renamed option would show here."""
    import typer
    from typer.testing import CliRunner

    from voicemill.cli.serve import serve

    (container,) = pod(helm, *ON)["containers"]
    assert container["command"] == ["python", "-m", "voicemill", "serve"]
    app = typer.Typer()
    app.command()(serve)
    arguments = [part.replace("--port=8322", "--port=0").replace("0.0.0.0", "127.0.0.1") for part in container["args"]]
    done = CliRunner().invoke(app, arguments)
    # It gets as far as the file of keys, which is in the pod.
    assert "/etc/voicemill/keys/keys.yaml" in str(done.exception)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (("serve.enabled=true",), "serve.voices"),
        ((*ON[:2], ON[3]), "serve.keysSecret"),
        ((*ON, "serve.public=true"), "not both"),
        (ON[:3], "serve.models"),
        ((*ON, "serve.registry=/tmp"), "registry"),
        ((*ON, "serve.autoscaling.metric=wishes"), "metric"),
        ((*ON, "serve.key=x"), "key"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(helm: Helm, wrong: tuple[str, ...], named: str) -> None:
    assert named in helm.refused(*wrong)


def test_it_scales_by_its_queue_or_by_cpu(helm: Helm) -> None:
    (metric,) = one(helm.render(values="production"), "HorizontalPodAutoscaler", NAME)["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "voicemill_queue"
    objects = helm.render(*ON, "serve.autoscaling.enabled=true")
    (metric,) = one(objects, "HorizontalPodAutoscaler", NAME)["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    assert "replicas" not in one(objects, "Deployment", NAME)["spec"]


def test_it_is_monitored_by_the_labels_of_its_service(helm: Helm) -> None:
    objects = helm.render(values="production")
    wanted = one(objects, "ServiceMonitor", NAME)["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= one(objects, "Service", NAME)["metadata"]["labels"].items()
