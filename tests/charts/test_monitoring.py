"""Metrics, alerts and the dashboard: off unless asked for, and they speak of metrics that there are."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.charts.helm import CHART, Helm, Json, one, stages
from voicemill.batch import events, metrics
from voicemill.stages import every

ON = (
    "metrics.stages.enabled=true",
    "metrics.serviceMonitor.enabled=true",
    "metrics.rules.enabled=true",
    "metrics.dashboard.enabled=true",
    "proofread.enabled=true",
    "proofread.reviewersSecret=reviewers",
    "metrics.rules.labels.release=prometheus",
)
KINDS = {"ServiceMonitor", "PrometheusRule"}
TEXTS = {"reviewer", "digest", "known", "outcome", "promoted", "shards", "version", "sovits", "gpt"}
"""Results of stages that are no figures."""


def emitted(stage: Json) -> dict[str, list[Json]]:
    """A stage's metrics by name."""
    found: dict[str, list[Json]] = {}
    for each in stage["metrics"]["prometheus"]:
        found.setdefault(each["name"], []).append(each)
    return found


def test_nothing_is_measured_unless_asked_for(helm: Helm) -> None:
    objects = helm.render()
    assert not KINDS & {each["kind"] for each in objects}
    assert all("metrics" not in stage for stage in stages(objects).values())


def test_a_stage_emits_its_time_its_failures_and_its_figures(helm: Helm) -> None:
    rendered = stages(helm.render(*ON))
    training = emitted(rendered["train-sovits"])
    (seconds,) = training["voicemill_stage_seconds"]
    assert seconds["histogram"]["value"] == "{{duration}}"
    assert {label["key"]: label["value"] for label in seconds["labels"]} == {
        "stage": "train-sovits",
        "status": "{{status}}",
    }
    (gpu,) = training["voicemill_gpu_seconds"]
    assert {"key": "class", "value": "training"} in gpu["labels"]
    figures = {each["gauge"]["value"] for each in training["voicemill_stage_figure"]}
    assert figures == {"{{outputs.parameters.epochs}}", "{{outputs.parameters.loss-mel}}"}
    reading = emitted(rendered["ingest"])
    assert reading["voicemill_speech_seconds"][0]["counter"]["value"] == "{{outputs.parameters.seconds}}"
    assert "voicemill_gpu_seconds" not in reading
    labels = {
        label["key"]
        for stage in rendered.values()
        for each in stage["metrics"]["prometheus"]
        for label in each["labels"]
    }
    assert labels == {"stage", "status", "exit_code", "class", "figure"}, "no speaker and no run"


def test_every_result_of_a_stage_is_a_figure_or_a_text() -> None:
    template = (CHART / "templates" / "_metrics.tpl").read_text()
    (listed,) = re.findall(r"\$figures := list (.*?) -\}\}", template)
    figures = set(re.findall(r'"(\w+)"', listed))
    results = {name for stage in every() for name in stage.results}
    assert results - TEXTS - {"dereverb", "denoise", "codes", "recut"} <= figures
    assert figures <= results


def test_alerts_and_dashboard_ask_for_metrics_that_are_emitted(helm: Helm) -> None:
    objects = helm.render(*ON)
    names = {name for stage in stages(objects).values() for name in emitted(stage)}
    rules = one(objects, "PrometheusRule", "voicemill")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(alerts) == 4 and rules["metadata"]["labels"]["release"] == "prometheus"
    assert all(rule["annotations"]["summary"] and rule["for" if "for" in rule else "expr"] for rule in alerts)
    assert "$labels.stage" in alerts[1]["annotations"]["summary"]
    dashboard = json.loads(one(objects, "ConfigMap", "voicemill-dashboard")["data"]["voicemill.json"])
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    asked = [rule["expr"] for rule in alerts] + [panel["targets"][0]["expr"] for panel in panels]
    ours = {
        found for text in asked for found in re.findall(r"argo_workflows_(voicemill_\w+?)(?:_count|_bucket)?\b", text)
    }
    assert ours <= names and len(ours) >= 4
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    told = set(re.findall(r"^(voicemill_\w+)\{", metrics.text_of("heroes", {"waiting": 1}, 0), re.MULTILINE))
    assert {found for text in asked for found in re.findall(r"\bvoicemill_batch_\w+", text)} == told


def test_the_page_is_found_by_its_monitor_and_reached_by_prometheus(helm: Helm) -> None:
    peer = '[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]'
    objects = helm.render(*ON, f"metrics.scrapedFrom={peer}")
    monitor = one(objects, "ServiceMonitor", "voicemill-proofread")["spec"]
    service = one(objects, "Service", "voicemill-proofread")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"] == [{"port": "http", "path": "/metrics"}]
    (rule,) = one(objects, "NetworkPolicy", "voicemill-proofread")["spec"]["ingress"]
    assert yaml.safe_load(peer)[0] in rule["from"]
    assert "proofread.enabled" in helm.refused("metrics.serviceMonitor.enabled=true")


def test_conductors_are_found_by_their_monitor_and_reached_by_prometheus(helm: Helm) -> None:
    peer = '[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]'
    objects = helm.render("metrics.podMonitor.enabled=true", f"metrics.scrapedFrom={peer}")
    conductor = stages(objects, "clone-batch")["run-batch"]
    assert {"name": metrics.PORT, "value": "9108"} in conductor["container"]["env"]
    assert conductor["container"]["ports"] == [{"name": "metrics", "containerPort": 9108}]
    monitor = one(objects, "PodMonitor", "voicemill-conductor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= conductor["metadata"]["labels"].items()
    assert monitor["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics"}]
    policy = one(objects, "NetworkPolicy", "voicemill-conductor-metrics")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= conductor["metadata"]["labels"].items()
    assert policy["ingress"] == [{"ports": [{"port": 9108, "protocol": "TCP"}], "from": yaml.safe_load(peer)}]
    others = [name for name, stage in stages(objects, "voicemill-stages").items() if "ports" in stage["container"]]
    assert others == ["run-batch"]


def test_the_conductor_creates_events_only_where_a_value_lets_it(helm: Helm) -> None:
    def of(objects: list[Json]) -> tuple[bool, bool]:
        rules = one(objects, "Role", "voicemill-conductor")["rules"]
        told = {"name": events.ENABLED, "value": "true"} in stages(objects, "clone-batch")["run-batch"]["container"][
            "env"
        ]
        return {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]} in rules, told

    assert of(helm.render()) == (False, False)
    assert of(helm.render("rbac.conductorEvents=true")) == (True, True)


@pytest.mark.parametrize("values", ["minimal", "production"])
def test_the_chart_gives_the_same_each_time(helm: Helm, values: str) -> None:
    assert helm.template(values=values).stdout == helm.template(values=values).stdout
