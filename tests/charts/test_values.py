"""Values: what is refused and how it is said, and that values, schema and README say the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.charts.helm import CHART, EXAMPLES, ROOT, Helm
from voicemill import __version__

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

WRONG = [
    ("gpu.select=maybe", "/gpu/select"),
    ("gpu.training.minMemoryMiB=6Gi", "/gpu/training/minMemoryMiB"),
    ("gpu.training.slots=-1", "/gpu/training/slots"),
    ("gpu.resource=gpu", "/gpu/resource"),
    ("gpu.tolerances=[]", "'tolerances'"),
    ("s3.bukcet=voices", "'bukcet'"),
    ("s3.bucket=ACME", "/s3/bucket"),
    ("s3.endpoint=minio:9000", "/s3/endpoint"),
    ("s3.credentials=key", "/s3/credentials"),
    ("images.pullPolicy=Sometimes", "/images/pullPolicy"),
    ("images.registry=https://registry.example.com", "/images/registry"),
    ("models.from=disk", "/models/from"),
    ("models.from=image", "/models/image/reference"),
    ("models.from=s3", "/models/s3/location"),
    ("stages.train-gpt.memory=24G", "/stages/train-gpt/memory"),
    ("stages.train-gpt.gpus=2", "'gpus'"),
    ("stages.trian-gpt.cpu=2", "stages.trian-gpt: no workflow has such a stage; there are "),
    ("stages.level.cpu=2", "stages.level: the stage is called normalize now; rename the value"),
    ("workflows.parameters.labels=x", "workflows.parameters.labels: the parameter is called transcripts-file now"),
    ("workflows.parameters.langauge=en", "workflows.parameters.langauge: no workflow has such a parameter"),
    ("workflows.parameters.language=klingon", 'workflows.parameters.language: "klingon" is not one of auto, zh'),
    ('networkPolicy.s3.cidrs=["10.0.0.1"]', "/networkPolicy/s3/cidrs/0"),
    ("namespace.podSecurity=privileged", "/namespace/podSecurity"),
    ("proofreader.enabled=true", "'proofreader'"),
]


@pytest.mark.parametrize(("value", "said"), WRONG)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, value: str, said: str) -> None:
    assert said in helm.refused(value)


def test_the_bucket_must_be_given(helm: Helm) -> None:
    assert "/s3/bucket" in helm.refused(values=None)


@pytest.mark.parametrize("values", EXAMPLES)
def test_lint_finds_nothing(helm: Helm, values: str) -> None:
    file = str(CHART / "ci" / f"{values}.yaml")
    done = helm.run("lint", "--strict", str(CHART), "--values", file, "--kube-version", "1.30.0")
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout and "[ERROR]" not in done.stdout


def test_kubernetes_before_1_30_is_refused(helm: Helm) -> None:
    assert "kubeVersion: >=1.30.0-0" in helm.template(kubernetes="1.29.9").stderr


def test_the_chart_has_the_packages_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_the_readme_has_every_value_and_no_other() -> None:
    done = subprocess.run([sys.executable, "charts/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = (CHART / "README.md").read_text()
    undocumented = [path for path in leaves(VALUES) if not covered(path, table)]
    assert undocumented == []


def test_the_schema_knows_every_value_and_allows_no_other() -> None:
    for path in leaves(VALUES):
        node: Any = SCHEMA
        for key in path.split("."):
            if "properties" not in node:
                break
            assert key in node["properties"], path
            node = node["properties"][key]
    for path, node in objects(SCHEMA):
        described = {key for key in node["properties"] if key != "global"}
        assert node["additionalProperties"] is False, f"{path} lets unknown values through"
        default = at(VALUES, path)
        if default is not None:
            assert described == set(default), f"{path} of the schema and of values.yaml differ"


def leaves(values: Any, path: str = "") -> Iterator[str]:
    """Paths of what has no named values below it."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from leaves(value, f"{path}.{key}".lstrip("."))
    else:
        yield path


def covered(path: str, table: str) -> bool:
    """Whether the table names the value or a map that it is in."""
    names = path.split(".")
    return any(f"| `{'.'.join(names[:count])}` |" in table for count in range(1, len(names) + 1))


def objects(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The objects with named fields in a schema, and where they are."""
    if "properties" in node and node.get("type") == "object":
        yield path, node
        for key, child in node["properties"].items():
            yield from objects(child, f"{path}.{key}".lstrip("."))


def at(values: Any, path: str) -> Any:
    for key in filter(None, path.split(".")):
        values = values.get(key) if isinstance(values, dict) else None
    return values
