"""The LimitRange that the installation page shows admits every pod of the chart, at its first try and its last."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import yaml
from kubernetes.utils.quantity import parse_quantity

from tests.charts.helm import CHART, Helm, Json, one, stages
from voicemill.contract import retries

PAGE = CHART.parents[1] / "docs" / "how-to" / "install.md"


def limit_range() -> Json:
    (block,) = re.findall(r"```yaml\n(apiVersion: v1\nkind: LimitRange\n.*?)```", PAGE.read_text(), re.DOTALL)
    (limits,) = yaml.safe_load(block)["spec"]["limits"]
    return limits


def grown(stage: Json) -> str:
    """Memory of a stage at the last try that more memory is asked for."""
    (main,) = (each for each in json.loads(stage["podSpecPatch"])["containers"] if each["name"] == "main")
    (first,) = re.findall(r"string\((\d+) ", main["resources"]["limits"]["memory"])
    return f"{int(first) * (1 + retries.MEMORY_TRIES)}Mi"


def admits(limits: Json, resources: Json) -> bool:
    """What Kubernetes does: limits take the place of requests that are not said, defaults of both."""
    for name in ("cpu", "memory"):
        own = {kind: (resources.get(kind) or {}).get(name) for kind in ("requests", "limits")}
        limit = Decimal(parse_quantity(own["limits"] or limits["default"][name]))
        request = Decimal(parse_quantity(own["requests"] or own["limits"] or limits["defaultRequest"][name]))
        low, high = (Decimal(parse_quantity(limits[kind][name])) for kind in ("min", "max"))
        if not low <= request <= limit <= high:
            return False
    return True


def test_it_admits_every_stage_also_with_the_memory_of_the_last_try(helm: Helm) -> None:
    limits = limit_range()
    rendered = stages(helm.render(), "voicemill-stages")
    assert len(rendered) > 25
    for name, stage in rendered.items():
        resources = stage["container"]["resources"]
        assert admits(limits, resources), name
        more = {kind: {**(resources.get(kind) or {}), "memory": grown(stage)} for kind in ("requests", "limits")}
        assert admits(limits, more), f"{name} with {grown(stage)}"
    assert not admits(limits, {"requests": {"cpu": "8"}}), "a request above the default limit is refused"


def test_it_admits_argos_own_containers_and_those_that_collect_artifacts(helm: Helm) -> None:
    limits = limit_range()
    assert admits(limits, {}), "where values say nothing"
    objects = helm.render(values="production")
    patch = json.loads(stages(objects)["ingest"]["podSpecPatch"])
    own = [
        each for kind in ("initContainers", "containers") for each in patch[kind] if each["name"] in ("init", "wait")
    ]
    collector = json.loads(one(objects, "WorkflowTemplate", "clone-voice")["spec"]["artifactGC"]["podSpecPatch"])
    assert len(own) == 2
    assert all(admits(limits, each.get("resources") or {}) for each in [*own, *collector["containers"]])
