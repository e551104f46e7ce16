"""A real Prometheus collects what Argo's controller emits of our stages, and the alert for failing stages fires."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import sync_playwright

from tests.charts.helm import CHART, Helm, find, one
from tests.cluster.kube import Object
from tests.cluster.site import Site, finish, restart_controller, site, wait_for
from tests.cluster.test_own_workflows import CLIP, upload
from tests.cluster.test_proofread import REVIEWERS, page
from tests.proofread.conftest import CHROMIUM
from voicemill.batch import metrics

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "workflow-controller-configmap"}}


class Prometheus:
    """A Prometheus that collects the controller's metrics.

    Args:
        program: Path of `prometheus`.
        targets: Hosts and ports of what it collects from: the controller, the proofreading page.
        groups: Groups of alerting rules.
        folder: Where it keeps everything.
    """

    def __init__(self, program: str, targets: list[str], groups: list[Object], folder: Path) -> None:
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        scraped = {"job_name": "argo", "static_configs": [{"targets": targets}]}
        times = {"scrape_interval": "2s", "evaluation_interval": "2s"}
        settings = {"global": times, "rule_files": ["rules.yaml"], "scrape_configs": [scraped]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        self.address = f"127.0.0.1:{free_port()}"
        files = [f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"]
        command = [program, *files, f"--web.listen-address={self.address}"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def ask(self, path: str, **query: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}") as got:
                return json.load(got)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        except OSError:  # not up yet
            return {}

    def values(self, query: str) -> list[float]:
        """The values of all series that a query gives."""
        return [float(each["value"][1]) for each in self.ask("query", query=query).get("result", [])]

    def by_label(self, query: str, label: str = "state") -> dict[str, float]:
        """The values of a query's series by a label of theirs."""
        series = self.ask("query", query=query).get("result", [])
        return {each["metric"].get(label, ""): float(each["value"][1]) for each in series}

    def value(self, query: str) -> float:
        """The value of a query that gives one number; 0 where it gives none."""
        return next(iter(self.values(query)), 0.0)

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self.ask("alerts").get("alerts", [])
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}


@pytest.fixture
def prometheus(site: Site, registry: str, conductor: str, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus on this cluster's controller, with the chart's rules; the release emits metrics meanwhile."""
    program = prometheus_program()
    rules = Helm(find("helm")).render("metrics.rules.enabled=true")
    groups = one(rules, "PrometheusRule", "voicemill")["spec"]["groups"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "reviewers"}}
    site.namespace.create({**secret, "stringData": {"reviewers.yaml": REVIEWERS}})
    site.apply(metrics={"stages": {"enabled": True}}, proofread=page(registry))
    service = site.namespace.get({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "voicemill-proofread"}})
    kind = site.namespace.cluster.resource(SETTINGS)
    before = kind.get(name=SETTINGS["metadata"]["name"], namespace="argo").to_dict()["data"]["metricsConfig"]
    port = free_port()

    def set_metrics(text: str) -> None:
        change = {"data": {"metricsConfig": text}}
        kind.patch(
            body=change,
            name=SETTINGS["metadata"]["name"],
            namespace="argo",
            content_type="application/merge-patch+json",
        )
        restart_controller()

    set_metrics(yaml.safe_dump({"enabled": True, "path": "/metrics", "port": port, "secure": False}))
    targets = [f"127.0.0.1:{port}", f"{service['spec']['clusterIP']}:80", conductor]
    running = Prometheus(program, targets, groups, tmp_path)
    try:
        yield running
    finally:
        running.end()
        set_metrics(before)
        site.apply()
        site.namespace.cluster.resource(secret).delete(name="reviewers", namespace=site.namespace.name)


@pytest.fixture(scope="module")
def conductor() -> Iterator[str]:
    """Host and port of the /metrics of a batch's conductor, of which speakers stand in every way there is."""
    counts = {state: number for number, state in enumerate(("waiting", "running", "voice", "failed", "stopped"), 1)}
    with metrics.served(lambda: metrics.text_of("heroes", counts, 2), 0, "127.0.0.1") as port:
        yield f"127.0.0.1:{port}"


def test_the_panels_of_batches_show_what_a_conductor_tells(conductor: str, tmp_path: Path) -> None:
    running = Prometheus(prometheus_program(), [conductor], [], tmp_path)
    try:
        asked = {title: expression for title, expression in panels().items() if title.startswith("Batches: ")}
        wait_for(lambda: all(running.values(expression) for expression in asked.values()), seconds=30)
        shown = {title.removeprefix("Batches: "): running.by_label(expression) for title, expression in asked.items()}
    finally:
        running.end()
    assert shown == {
        "speakers waiting and running": {"waiting": 1, "running": 2},
        "speakers with a voice, failed, stopped": {"voice": 3, "failed": 4, "stopped": 5},
        "speakers who failed again": {"": 2},
    }


def test_stages_are_measured_and_an_alert_fires_when_they_fail(site: Site, prometheus: Prometheus) -> None:
    source = upload(site, "own/measured", CLIP)
    good = site.namespace.create(ingests(source, keys="measured/good", minutes="0.01", times=1))
    bad = site.namespace.create(ingests(source, keys="measured/bad", minutes="60", times=1))
    site.namespace.workflow_end(good, seconds=300)
    site.namespace.workflow_end(bad, seconds=300)
    failures = 'argo_workflows_voicemill_stage_failures{stage="ingest",exit_code="65"}'
    wait_for(lambda: prometheus.value(failures) == 1, seconds=30)
    ended = 'argo_workflows_voicemill_stage_seconds_count{stage="ingest",status="Succeeded"}'
    assert prometheus.value(ended) == 1
    assert 1 < prometheus.value("argo_workflows_voicemill_speech_seconds") < 60
    assert "VoicemillStagesFail" not in prometheus.firing()
    # Each counter's first event is shown too.
    asked = panels()
    assert prometheus.values(asked["Stages that ended, an hour"]) == [2]
    assert prometheus.values(asked["Failures by stage and exit code, an hour"]) == [1]
    (median,) = prometheus.values(asked["Median seconds of a stage"])
    assert 0 < median < 300
    (hours,) = prometheus.values(asked["Hours of speech that came in and that was kept, a day"])
    assert 1 < 3600 * hours < 60

    more = site.namespace.create(ingests(source, keys="measured/more", minutes="60", times=5))
    site.namespace.workflow_end(more, seconds=300)
    wait_for(lambda: "VoicemillStagesFail" in prometheus.firing(), seconds=60)


def test_every_panel_of_the_dashboard_shows_something_after_a_run(site: Site, prometheus: Prometheus) -> None:
    done = site.submit_few("ursel", "--wait")
    said = finish(done)
    assert done.returncode == 0, said
    failed = site.namespace.create(ingests(upload(site, "own/short", CLIP), keys="short", minutes="60", times=1))
    site.namespace.workflow_end(failed, seconds=300)
    asked = panels()
    wait_for(lambda: all(prometheus.values(expression) for expression in asked.values()), seconds=60)
    for title in (title for title, expression in asked.items() if "argo_workflows_voicemill" in expression):
        shown = prometheus.values(asked[title])
        assert min(shown) >= 0 and max(shown) > 0, f"{title}: {shown}"  # what is not a number is neither
    ended = prometheus.values('argo_workflows_voicemill_stage_seconds_count{status="Succeeded"}')
    assert len(ended) >= 12, "a stage of the run is missing"
    assert sum(prometheus.values("argo_workflows_voicemill_gpu_seconds")) > 10
    if path := os.environ.get("DASHBOARD_PICTURE"):
        picture(prometheus.address, list(asked.values()), path)


def prometheus_program() -> str:
    """Path of Prometheus; skips the test where there is none."""
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if not program:
        pytest.skip("needs Prometheus ($PROMETHEUS, or Debian's package)")
    return program


def panels() -> dict[str, str]:
    """Expressions of the dashboard by their titles."""
    found = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    asked = {panel["title"]: panel["targets"][0]["expr"] for panel in found if panel["type"] != "row"}
    asked.pop("GPU use")  # of NVIDIA's exporter, which a node without a GPU has not
    return asked


def picture(address: str, expressions: list[str], path: str) -> None:
    """Keep a picture of expressions as Prometheus's own page draws them."""
    fields = [
        (f"g{number}.{name}", value)
        for number, expression in enumerate(expressions)
        for name, value in (("expr", expression), ("tab", "0"), ("range_input", "15m"))
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        shown = browser.new_page(viewport={"width": 1300, "height": 900})
        shown.goto(f"http://{address}/classic/graph?{urllib.parse.urlencode(fields)}")
        shown.wait_for_timeout(5000)
        shown.screenshot(path=path, full_page=True)
        browser.close()


def ingests(source: str, *, keys: str, minutes: str, times: int) -> Object:
    """A workflow that reads the same recording some times at once."""
    tasks = [
        {
            "name": f"ingest-{number}",
            "templateRef": {"name": "voicemill-stages", "template": "ingest"},
            "arguments": {
                "parameters": [
                    {"name": "keys", "value": f"{keys}/{number}"},
                    {"name": "source", "value": source},
                    {"name": "min-minutes", "value": minutes},
                    {"name": "consent", "value": "given"},
                ]
            },
        }
        for number in range(times)
    ]
    spec = {"entrypoint": "main", "templates": [{"name": "main", "dag": {"failFast": False, "tasks": tasks}}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "read-"},
        "spec": spec,
    }


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
