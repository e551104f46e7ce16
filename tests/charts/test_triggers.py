"""What starts builds by itself: off unless asked for, and an event can say no more than whose voice is built."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
import yaml

from tests.charts.events import Sensor
from tests.charts.helm import CHART, Helm, Json, one
from voicemill.engine import workflow as workflows

KINDS = {"CronWorkflow", "EventSource", "Sensor"}
MINIO = ("s3.endpoint=http://minio:9000", "workflows.parameters.registry=s3:///registry", "models.from=claim")
UPLOADS = (*MINIO, "triggers.uploads.enabled=true")
WEBHOOK = (*MINIO, "triggers.webhook.enabled=true", "triggers.webhook.secretName=build-token")


def schedule(**more: Any) -> str:
    """A schedule of anna's builds, as a value; takes more parameters."""
    anna = {"speaker": "anna", "source": "s3:///recordings/anna", **more}
    return f"triggers.schedules={json.dumps([{'name': 'nightly', 'schedules': ['0 3 * * *'], 'parameters': anna}])}"


def triggers(objects: list[Json]) -> set[str]:
    return {each["kind"] for each in objects} & KINDS


def parameters(workflow: Json) -> dict[str, str]:
    return {each["name"]: each["value"] for each in workflow["spec"]["arguments"]["parameters"]}


@pytest.fixture(scope="module")
def sensor(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Sensor:
    objects = helm.render(*UPLOADS, *WEBHOOK[len(MINIO) :], "triggers.events.parameters.language=en")
    return Sensor(helm, one(objects, "Sensor", "voicemill-builds"), tmp_path_factory.mktemp("sensor"))


def upload(key: str) -> Json:
    """What Argo Events makes of MinIO's word of an object."""
    return {"notification": [{"eventName": "s3:ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}}]}


def request(body: Any) -> Json:
    """What Argo Events makes of a posted body."""
    return {"header": {"Content-Type": ["application/json"]}, "body": body}


def test_nothing_starts_builds_unless_asked_for(helm: Helm) -> None:
    objects = helm.render()
    assert triggers(objects) == set()
    assert not [each for each in objects if "builds" in each["metadata"]["name"]]
    assert triggers(helm.render(values="production")) == KINDS


def test_a_schedule_is_a_cron_workflow_of_build_voice(helm: Helm) -> None:
    objects = helm.render(values="production")
    nightly = one(objects, "CronWorkflow", "nightly-narrator")
    assert nightly["metadata"]["labels"]["workflows.argoproj.io/controller-instanceid"] == "voices"
    spec = nightly["spec"]
    assert spec["schedules"] == ["30 2 * * *"] and spec["timezone"] == "Europe/Berlin" and "suspend" not in spec
    assert spec["concurrencyPolicy"] == "Forbid" and spec["startingDeadlineSeconds"] == 3600
    assert spec["workflowSpec"]["workflowTemplateRef"] == {"name": "build-voice"}
    assert parameters({"spec": spec["workflowSpec"]}) == {
        "speaker": "narrator",
        "source": "s3://acme-voices/recordings/narrator",
        "max-error-rate-rise": "0.06",
    }
    assert spec["workflowMetadata"]["labels"]["app.kubernetes.io/part-of"] == "voicemill"
    weekly = one(objects, "CronWorkflow", "weekly-anna")["spec"]
    assert weekly["suspend"] is True and len(weekly["schedules"]) == 2


def test_builds_of_one_speaker_take_turns(helm: Helm) -> None:
    template = one(helm.render(), "WorkflowTemplate", "build-voice")["spec"]
    (mutex,) = template["synchronization"]["mutexes"]
    assert mutex["name"] == "build-voice-{{workflow.parameters.speaker}}"


@pytest.mark.parametrize("speaker", ["anna", "Anna-2", "0042", "v1.2_b", "安娜", "Зоя"])
def test_an_event_builds_the_speaker_that_it_names(sensor: Sensor, speaker: str) -> None:
    for made in (
        sensor.create("upload", upload(f"ready/{speaker}")),
        sensor.create("request", request({"speaker": speaker})),
    ):
        assert made is not None
        assert made["spec"]["workflowTemplateRef"] == {"name": "build-voice"}
        given = parameters(made)
        source = f"s3://acme-voices/recordings/{speaker}"
        assert given == {"speaker": speaker, "source": source, "language": "en"}


NO_SPEAKERS = [
    "",
    "../anna",
    "anna/1.wav",
    "-p",
    "--models",
    "_registry",
    "anna anna",
    "anna\nmodels",
    "{{workflow.parameters.models}}",
    "{{=sprig.env('HOME')}}",
    "$(id)",
    'a"b',
    "a'b",
    "a" * 64,
]


@pytest.mark.parametrize("name", NO_SPEAKERS)
def test_an_event_that_names_no_speaker_builds_nothing(sensor: Sensor, name: str) -> None:
    assert sensor.create("upload", upload(f"ready/{name}")) is None
    assert sensor.create("request", request({"speaker": name})) is None


def test_recordings_and_other_objects_build_nothing(sensor: Sensor) -> None:
    for key in ("recordings/anna/1.wav", "ready", "ready/anna/x", "already/anna", "recordings/ready/anna"):
        assert sensor.create("upload", upload(key)) is None


@pytest.mark.parametrize(
    "body", [None, [], "anna", {}, {"speaker": None}, {"speaker": ["anna"]}, {"speaker": {"a": 1}}]
)
def test_a_request_of_another_shape_builds_nothing(sensor: Sensor, body: Any) -> None:
    assert sensor.create("request", request(body)) is None


def test_an_event_can_set_nothing_but_speaker_and_source(sensor: Sensor) -> None:
    body = {"speaker": "anna", "source": "s3://elsewhere/x", "registry": "s3://elsewhere/y", "workflow": "clone-voice"}
    made = sensor.create("request", request(body))
    assert made is not None and "elsewhere" not in str(made) and "clone-voice" not in str(made)


def test_what_is_started_has_every_parameter_that_the_workflow_needs(helm: Helm, sensor: Sensor) -> None:
    template = one(helm.render(*UPLOADS), "WorkflowTemplate", "build-voice")
    made = sensor.create("upload", upload("ready/anna"))
    assert made is not None
    given = workflows.arguments(workflows.of_document(template), parameters(made))
    assert given["models"] == "/models" and given["registry"] == "s3:///registry"


def test_a_hundred_marks_do_not_start_a_hundred_builds_at_once(helm: Helm) -> None:
    objects = helm.render(*UPLOADS, "triggers.events.perMinute=3")
    (trigger,) = one(objects, "Sensor", "voicemill-builds")["spec"]["triggers"]
    assert trigger["rateLimit"] == {"unit": "Minute", "requestsPerUnit": 3}
    assert trigger["atLeastOnce"] is True and trigger["retryStrategy"]["steps"] > 1


def test_the_sensor_may_create_workflows_and_nothing_else(helm: Helm) -> None:
    objects = helm.render(*UPLOADS, *WEBHOOK[len(MINIO) :])
    assert one(objects, "Role", "voicemill-builds")["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create"]}
    ]
    assert one(objects, "Sensor", "voicemill-builds")["spec"]["template"]["serviceAccountName"] == "voicemill-builds"
    bound = {subject["name"] for each in objects if each["kind"] == "RoleBinding" for subject in each["subjects"]}
    for source in ("voicemill-uploads", "voicemill-webhook"):
        account = one(objects, "EventSource", source)["spec"]["template"]["serviceAccountName"]
        assert account not in bound
        assert one(objects, "ServiceAccount", account)["automountServiceAccountToken"] is False


def test_pods_of_triggers_are_restricted_and_covered_by_the_policies(helm: Helm) -> None:
    objects = helm.render(values="production")
    for each in (each for each in objects if each["kind"] in {"EventSource", "Sensor"}):
        pod = each["spec"]["template"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532
        assert pod["container"]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "voicemill"
        assert each["spec"]["eventBusName"] == "voices"
    bus = one(objects, "NetworkPolicy", "voicemill-builds")["spec"]
    assert bus["egress"] == [{"to": [{"podSelector": {"matchLabels": {"eventbus-name": "voices"}}}]}]
    reached = one(objects, "NetworkPolicy", "voicemill-webhook")["spec"]["ingress"][0]
    assert reached["ports"] == [{"port": 12000, "protocol": "TCP"}]
    assert reached["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "build"}


def test_uploads_are_heard_of_from_the_releases_own_bucket(helm: Helm) -> None:
    source = one(helm.render(values="no-gpu-labels"), "EventSource", "voicemill-uploads")["spec"]["minio"]["marker"]
    assert source["endpoint"] == "minio.minio.svc:9000" and source["insecure"] is True
    assert source["bucket"] == {"name": "voices"} and source["events"] == ["s3:ObjectCreated:*"]
    assert source["filter"] == {"prefix": "ready/", "suffix": ""}
    assert source["accessKey"] == {"name": "minio", "key": "rootUser"}
    private = helm.render(*UPLOADS[1:], "s3.endpoint=https://minio.example.com", "s3.ca.secretName=minio-ca")
    source = one(private, "EventSource", "voicemill-uploads")["spec"]["minio"]["marker"]
    assert source["caCertificate"] == {"name": "minio-ca", "key": "ca.crt"} and source["insecure"] is False


def test_a_request_needs_the_token(helm: Helm) -> None:
    source = one(helm.render(values="production"), "EventSource", "voicemill-webhook")["spec"]
    assert source["webhook"]["build"]["authSecret"] == {"name": "build-token", "key": "token"}
    assert source["webhook"]["build"]["serverKeySecret"] == {"name": "build-tls", "key": "tls.key"}
    assert source["service"]["ports"][0]["targetPort"] == 12000 and source["webhook"]["build"]["port"] == "12000"


WRONG = [
    ((*UPLOADS[1:],), "s3.endpoint must be given"),
    ((*UPLOADS, "s3.credentials=identity"), "s3.credentials be `secret`"),
    ((*MINIO, "triggers.webhook.enabled=true"), "triggers.webhook.secretName"),
    ((*UPLOADS, "triggers.events.parameters.langauge=en"), "triggers.events.parameters.langauge: build-voice takes"),
    ((*UPLOADS, "triggers.events.parameters.language=klingon"), '"klingon" is not one of auto, zh'),
    ((*UPLOADS, "triggers.events.parameters.source=x"), "triggers.events.parameters.source: build-voice takes no such"),
    ((*UPLOADS, "triggers.uploads.prefix=/"), "/triggers/uploads/prefix"),
    ((*UPLOADS, "triggers.uploads.prefix=a{{.}}/"), "/triggers/uploads/prefix"),
    ((*MINIO, schedule(epochs=2)), "triggers.schedules[0].parameters.epochs"),
    ((schedule(),), "triggers.schedules[0].parameters: build-voice needs models"),
    ((*MINIO, 'triggers.schedules=[{"name": "x", "schedules": ["3 am"]}]'), "/triggers/schedules/0/schedules/0"),
    ((*MINIO, 'triggers.schedules=[{"name": "x", "schedule": "0 3 * * *"}]'), "'schedule'"),
]


@pytest.mark.parametrize(("sets", "said"), WRONG)
def test_triggers_that_make_no_sense_are_refused_by_name(helm: Helm, sets: tuple[str, ...], said: str) -> None:
    assert said in helm.refused(*sets)


def test_the_page_on_builds_names_values_that_exist(helm: Helm) -> None:
    page = (CHART.parents[1] / "docs" / "how-to" / "builds.md").read_text()
    blocks = [yaml.safe_load(block.split("```")[0]) for block in page.split("```yaml\n")[1:]]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert len(blocks) == 2
    for block in blocks:
        assert block.keys() <= values.keys() and block["triggers"].keys() <= values["triggers"].keys()
