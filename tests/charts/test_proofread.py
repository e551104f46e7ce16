"""The proofreading page in the cluster: off unless asked for, and then with no more rights and reach than it needs."""

from __future__ import annotations

import pytest

from tests.charts.helm import Helm, Json, one

NAME = "voicemill-proofread"
ON = ("proofread.enabled=true", "proofread.reviewersSecret=reviewers")


def of_the_page(objects: list[Json]) -> set[str]:
    return {each["kind"] for each in objects if each["metadata"]["name"] == NAME}


def test_nothing_of_it_is_there_unless_asked_for(helm: Helm) -> None:
    assert of_the_page(helm.render()) == set()
    kinds = {"ServiceAccount", "Role", "RoleBinding", "Deployment", "Service", "NetworkPolicy"}
    assert of_the_page(helm.render(*ON)) == kinds
    assert of_the_page(helm.render(values="production")) == kinds | {"Ingress", "PodDisruptionBudget"}


def test_its_pods_are_restricted(helm: Helm) -> None:
    spec = one(helm.render(*ON), "Deployment", NAME)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert [volume for volume in spec["volumes"] if "hostPath" in volume] == []


def test_it_may_let_workflows_go_on_and_nothing_else(helm: Helm) -> None:
    objects = helm.render(*ON)
    assert one(objects, "Role", NAME)["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get", "patch"]}
    ]
    assert [each["name"] for each in one(objects, "RoleBinding", NAME)["subjects"]] == [NAME]


def test_it_is_reached_at_one_port_and_from_where_the_values_say(helm: Helm) -> None:
    policy = one(helm.render(*ON), "NetworkPolicy", NAME)["spec"]
    deployment = one(helm.render(*ON), "Deployment", NAME)["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    # Covered by what holds for every pod of the release, too: nothing in, and out to DNS, the API server and S3 only.
    assert labels["app.kubernetes.io/part-of"] == "voicemill"
    (rule,) = policy["ingress"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert [port["port"] for port in rule["ports"]] == [port["containerPort"] for port in container["ports"]]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchExpressions"] == [
        {"key": "app.kubernetes.io/part-of", "operator": "NotIn", "values": ["voicemill"]}
    ], "not from pods of workflows"
    (rule,) = one(helm.render(values="production"), "NetworkPolicy", NAME)["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "ingress-nginx"}


def test_its_arguments_are_those_of_the_command(helm: Helm) -> None:
    """The command itself reads them: a renamed option would show here."""
    import typer
    from typer.testing import CliRunner

    from voicemill.cli.proofread import proofread

    (container,) = one(helm.render(values="production"), "Deployment", NAME)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "voicemill", "proofread"]
    assert container["args"][0] == "s3://acme-voices/voices"
    assert "--secure-cookies" in container["args"]
    app = typer.Typer()
    app.command()(proofread)
    done = CliRunner().invoke(app, container["args"])
    # It gets as far as the people's file, which is in the pod.
    assert "/etc/voicemill/reviewers/reviewers.yaml" in str(done.exception)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (("proofread.enabled=true",), "reviewersSecret"),
        ((*ON, "proofread.proxy.header=X-User"), "proofread.proxy.from"),
        ((*ON, "proofread.ingress.enabled=true"), "proofread.ingress.host"),
        ((*ON, "proofread.location=/tmp"), "location"),
        ((*ON, "proofread.password=x"), "password"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(helm: Helm, wrong: tuple[str, ...], named: str) -> None:
    assert named in helm.refused(*wrong)


def test_no_token_is_in_its_command_line_or_environment(helm: Helm) -> None:
    spec = one(helm.render(*ON), "Deployment", NAME)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert not [part for part in [*container["command"], *container["args"]] if "token" in part]
    assert not [item for item in container["env"] if "value" in item and "token" in item["name"].lower()]
    (reviewers,) = (volume for volume in spec["volumes"] if volume["name"] == "reviewers")
    assert reviewers["secret"] == {"secretName": "reviewers", "defaultMode": 0o440}
