"""The chart is upgraded, and removed, while a run goes on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.charts.helm import CHART
from tests.cluster.site import Site, finish, node, site, tasks

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A chart to upgrade from: $VOICEMILL_EARLIER_CHART, else this one as an earlier version."""
    if given := os.environ.get("VOICEMILL_EARLIER_CHART"):
        return Path(given)
    chart = shutil.copytree(CHART, tmp_path / "voicemill")
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump(described | {"version": "0.0.1"}))
    return chart


def test_a_run_ends_by_the_chart_that_it_began_with(site: Site, earlier: Path) -> None:
    site.apply(chart=earlier)
    done = site.submit_few("mina", "--wait")
    site.until("mina", "slice", "Running", "Succeeded")
    began = site.workflow("mina")["status"]["storedWorkflowTemplateSpec"]
    # What is installed meanwhile would fail at once: a run under way is not to see it.
    broken = {"image": "localhost/voicemill-not-there:1"}
    site.apply(stages={"train-gpt": broken, "publish": broken})
    said = finish(done)
    site.apply()
    assert done.returncode == 0, said
    found = site.workflow("mina")
    assert found["status"]["storedWorkflowTemplateSpec"] == began
    assert node(found, "publish")["phase"] == "Succeeded"


def test_a_run_ends_and_its_voice_stays_when_the_release_is_removed(site: Site) -> None:
    done = site.submit_few("nora", "--wait")
    site.until("nora", "publish", "Succeeded")
    site.release.run("uninstall", "voicemill", "--wait")
    finish(done)
    stored = {entry.key for entry in site.stored("nora").list()}
    assert "publish/voice/voice.json" in stored
    kept = {task["displayName"] for task in tasks(site.workflow("nora")) if task["phase"] == "Succeeded"}
    assert "publish" in kept, "the workflow went with the release"
    site.apply()
