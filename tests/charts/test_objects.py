"""The objects beside the workflows: rights, places, credentials and reach, no more than needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from tests.charts.helm import CHART, EXAMPLES, NAMESPACE, Helm, Json, one


def test_pods_may_report_results_and_nothing_else_but_conduct_batches(helm: Helm) -> None:
    objects = helm.render()
    assert one(objects, "Role", "voicemill")["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    ]
    conductor = {
        resource: rule["verbs"]
        for rule in one(objects, "Role", "voicemill-conductor")["rules"]
        for resource in rule["resources"]
    }
    assert conductor == {
        "workflowtaskresults": ["create", "patch"],
        "workflows": ["create", "get", "list", "patch"],
        "workflowtemplates": ["get"],
    }
    for binding in (each for each in objects if each["kind"] == "RoleBinding"):
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": binding["roleRef"]["name"], "namespace": NAMESPACE}
    assert not [each for each in objects if each["kind"].startswith("ClusterRole")]


def test_the_page_of_rights_has_every_rule(helm: Helm) -> None:
    page = (CHART.parents[1] / "docs" / "reference" / "rights.md").read_text(encoding="utf-8")
    told: dict[str, set[tuple[str, str]]] = {}
    role = ""
    for line in (line for line in page.splitlines() if line.startswith("| ")):
        first, resources, verbs, *_ = (cell.strip() for cell in line.strip("|").split("|"))
        named = re.match(r"`([a-z-]+)`", first)
        role = named[1] if named else role
        pairs = {(one, verb.strip()) for one in re.findall(r"`([a-z/]+)`", resources) for verb in verbs.split(",")}
        told[role] = told.get(role, set()) | pairs
    rendered = (helm.render(values="production"), helm.render(values="no-gpu-labels"))
    objects = [*rendered[0], *rendered[1], *helm.render("rbac.conductorEvents=true")]
    given: dict[str, set[tuple[str, str]]] = {}
    for found in (each for each in objects if each["kind"] == "Role"):
        pairs = {(one, verb) for rule in found["rules"] for one in rule["resources"] for verb in rule["verbs"]}
        given[found["metadata"]["name"]] = given.get(found["metadata"]["name"], set()) | pairs
    assert {name: told[name] for name in given} == given


def test_submitters_are_who_the_values_say(helm: Helm) -> None:
    name = "voicemill-submitter"
    assert not [each for each in helm.render() if each["metadata"]["name"] == name]
    objects = helm.render(values="production")
    assert [each["name"] for each in one(objects, "RoleBinding", name)["subjects"]] == ["voice-team", "ci"]
    verbs = {resource: rule["verbs"] for rule in one(objects, "Role", name)["rules"] for resource in rule["resources"]}
    assert "create" in verbs["workflows"] and verbs["pods/log"] == ["get", "list", "watch"]
    assert "secrets" not in verbs and "pods/exec" not in verbs


def test_accounts_and_roles_can_be_somebody_elses(helm: Helm) -> None:
    kinds = {each["kind"] for each in ours(helm.render("serviceAccount.create=false", "rbac.create=false"))}
    assert not {"ServiceAccount", "Role", "RoleBinding"} & kinds


REPOSITORIES = [
    (
        "minimal",
        {
            "endpoint": "s3.us-east-1.amazonaws.com",
            "bucket": "acme-voices",
            "region": "us-east-1",
            "insecure": False,
            "accessKeySecret": {"name": "voicemill-s3", "key": "AWS_ACCESS_KEY_ID"},
            "secretKeySecret": {"name": "voicemill-s3", "key": "AWS_SECRET_ACCESS_KEY"},
        },
    ),
    (
        "production",
        {
            "endpoint": "s3.eu-central-1.amazonaws.com",
            "bucket": "acme-voices",
            "region": "eu-central-1",
            "insecure": False,
            "useSDKCreds": True,
        },
    ),
    (
        "no-gpu-labels",
        {
            "endpoint": "minio.minio.svc:9000",
            "bucket": "voices",
            "region": "us-east-1",
            "insecure": True,
            "accessKeySecret": {"name": "minio", "key": "rootUser"},
            "secretKeySecret": {"name": "minio", "key": "rootPassword"},
        },
    ),
]


@pytest.mark.parametrize(("values", "expected"), REPOSITORIES)
def test_argo_finds_the_artifacts(helm: Helm, values: str, expected: Json) -> None:
    found = one(helm.render(values=values), "ConfigMap", "artifact-repositories")
    assert found["metadata"]["annotations"]["workflows.argoproj.io/default-artifact-repository"] == "voicemill"
    repository = yaml.safe_load(found["data"]["voicemill"])
    assert repository["archiveLogs"] is True
    assert repository["s3"].pop("keyFormat") == "logs/{{workflow.name}}/{{pod.name}}"
    assert repository["s3"] == expected


def test_stages_have_the_same_place_and_credentials(helm: Helm) -> None:
    objects = helm.render(values="no-gpu-labels")
    data = one(objects, "ConfigMap", "voicemill")["data"]
    assert data == {"S3_ENDPOINT": "http://minio.minio.svc:9000", "S3_BUCKET": "voices", "AWS_REGION": "us-east-1"}
    for container in containers(objects):
        env = {each["name"]: each.get("valueFrom") for each in container["env"]}
        assert env["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "minio", "key": "rootUser"}}
        assert env["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "minio", "key": "rootPassword"}}
        assert container["envFrom"] == [{"configMapRef": {"name": "voicemill", "optional": True}}]
    with_identity = helm.render(values="production")
    assert all("AWS" not in json.dumps([each["envFrom"], each["env"]]) for each in containers(with_identity))
    annotations = one(with_identity, "ServiceAccount", "voicemill")["metadata"]["annotations"]
    for other in ("gc", "conductor"):
        assert annotations == one(with_identity, "ServiceAccount", f"voicemill-{other}")["metadata"]["annotations"]
    assert one(with_identity, "ConfigMap", "voicemill")["data"]["AWS_MAX_ATTEMPTS"] == "10"


def test_every_pod_knows_the_prices_of_gpus_where_there_are_any(helm: Helm) -> None:
    assert "VOICEMILL_GPU_PRICES" not in one(helm.render(), "ConfigMap", "voicemill")["data"]
    priced = helm.render("gpu.prices.training=1.8", "gpu.prices.inference=0.6", "gpu.prices.currency=EUR")
    data = one(priced, "ConfigMap", "voicemill")["data"]
    assert json.loads(data["VOICEMILL_GPU_PRICES"]) == {"training": 1.8, "inference": 0.6}
    assert data["VOICEMILL_CURRENCY"] == "EUR"


def test_a_private_certificate_authority_is_trusted_by_argo_and_stages(helm: Helm) -> None:
    objects = helm.render("s3.ca.secretName=minio-ca", "s3.endpoint=https://minio.example.com")
    repository = yaml.safe_load(one(objects, "ConfigMap", "artifact-repositories")["data"]["voicemill"])
    assert repository["s3"]["caSecret"] == {"name": "minio-ca", "key": "ca.crt"}
    for container in containers(objects):
        assert {"name": "AWS_CA_BUNDLE", "value": "/etc/voicemill/s3/ca.crt"} in container["env"]
        assert {"name": "s3-ca", "mountPath": "/etc/voicemill/s3", "readOnly": True} in container["volumeMounts"]


def test_pods_reach_dns_the_api_server_and_s3_only(helm: Helm) -> None:
    objects = helm.render(values="production")
    ours = {"matchLabels": {"app.kubernetes.io/part-of": "voicemill"}}
    deny = one(objects, "NetworkPolicy", "voicemill-deny")["spec"]
    assert deny == {"podSelector": ours, "policyTypes": ["Ingress", "Egress"]}
    allow = one(objects, "NetworkPolicy", "voicemill-egress")["spec"]
    assert allow["podSelector"] == ours and allow["policyTypes"] == ["Egress"]
    dns, api, s3, proxy = allow["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    assert api == {"ports": [{"port": 6443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.10/32"}}]}
    assert s3 == {"ports": [{"port": 443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "52.219.0.0/16"}}]}
    assert proxy["ports"][0]["port"] == 3128
    template = one(objects, "WorkflowTemplate", "clone-voice")["spec"]
    stages = [each["metadata"] for each in template["templates"] if "container" in each]
    labelled = [template["artifactGC"]["podMetadata"], *stages]
    assert all(each["labels"].items() >= ours["matchLabels"].items() for each in labelled)
    elsewhere = one(helm.render("s3.endpoint=http://10.0.0.9:9000"), "NetworkPolicy", "voicemill-egress")["spec"]
    assert elsewhere["egress"][2] == {"ports": [{"port": 9000, "protocol": "TCP"}]}
    assert not [each for each in helm.render(values="no-gpu-labels") if each["kind"] == "NetworkPolicy"]


def test_the_namespace_can_be_labelled_restricted(helm: Helm) -> None:
    made = one(helm.render("namespace.create=true"), "Namespace", NAMESPACE)["metadata"]
    assert made["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert made["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_helm_test_is_clone_voice_cut_down_to_cpu_stages(helm: Helm) -> None:
    objects = helm.render(values="production")
    workflow = json.loads(one(objects, "ConfigMap", "voicemill-test")["data"]["workflow.json"])
    whole = one(objects, "WorkflowTemplate", "clone-voice")["spec"]
    assert workflow["metadata"]["labels"]["workflows.argoproj.io/controller-instanceid"] == "voices"
    # By reference, which every controller takes.
    assert workflow["spec"] == {"workflowTemplateRef": {"name": "voicemill-test"}}
    spec = one(objects, "WorkflowTemplate", "voicemill-test")["spec"]
    for field in ("serviceAccountName", "securityContext", "artifactRepositoryRef", "artifactGC"):
        assert spec[field] == whole[field], field
    templates = {each["name"]: each for each in spec["templates"]}
    originals = {each["name"]: each for each in whole["templates"]}
    assert templates.keys() == {"one-clip", "ingest", "normalize", "slice"}
    assert templates["slice"] == originals["slice"] and templates["normalize"] == originals["normalize"]
    pod = one(objects, "Pod", "voicemill-test")["spec"]
    assert pod["containers"][0]["image"] == originals["ingest"]["container"]["image"]
    assert pod["securityContext"]["runAsNonRoot"] is True


def containers(objects: list[Json]) -> Iterator[Json]:
    """Containers of all workflows' stages."""
    for workflow in (each for each in objects if each["kind"] == "WorkflowTemplate"):
        yield from (template["container"] for template in workflow["spec"]["templates"] if "container" in template)


def ours(objects: list[Json]) -> list[Json]:
    """The objects that do not belong to `helm test`."""
    return [each for each in objects if each["metadata"].get("annotations", {}).get("helm.sh/hook") != "test"]


@pytest.mark.parametrize("values", EXAMPLES)
def test_the_same_values_give_the_same_text(helm: Helm, values: str) -> None:
    """Tools that compare what is rendered with what is there (Argo CD, Flux) would else apply it without end."""
    assert helm.template(values=values).stdout == helm.template(values=values).stdout != ""
