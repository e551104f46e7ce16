"""A batch of six speakers on a real Argo: four or five voices, the others with their reasons; then with faults.

The conductor's pod is deleted half way: no finished speaker runs again. A batch that is stopped leaves nothing that
runs. The speakers are those of the shared data, the models are toys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.batch import six_speakers
from tests.cluster.kube import Object
from tests.cluster.site import SHORT, Site, finish, node, site, wait_for
from tests.shared import SHARED
from voicemill.batch import speaker_workflows
from voicemill.storage import open_store

__all__ = ["site"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(4 * 3600),
    pytest.mark.skipif(SHARED is None, reason="needs the shared recordings ($VOICEMILL_SHARED)"),
]


def submit(site: Site, manifest: Path, name: str, *options: str) -> Any:
    words = ("batch", "submit", str(manifest), "--name", name, *site.pairs(SHORT), *options)
    return site.start(*words)


def conductor(site: Site, batch: str) -> str:
    """Name of the workflow that conducts a batch."""
    found = listed(site, speaker_workflows.conductors(batch))
    return max(found, key=lambda each: each["metadata"]["creationTimestamp"])["metadata"]["name"]


def listed(site: Site, selector: str) -> list[Object]:
    kind = site.namespace.cluster.resource({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"})
    return [each.to_dict() for each in kind.get(namespace=site.namespace.name, label_selector=selector).items]


def outcomes(site: Site, batch: str) -> dict[str, str]:
    """Outcomes of the speakers who are done."""
    them = map(speaker_workflows.from_sketch, listed(site, speaker_workflows.of_batch(batch)))
    return {child.speaker: child.outcome for child in them if child.outcome}


def test_six_speakers_and_a_conductor_whose_pod_is_deleted_half_way(site: Site, tmp_path: Path) -> None:
    manifest = six_speakers.write(tmp_path / "six")
    done = submit(site, manifest, "six", "--max-parallel", "2", "--min-success-ratio", "0.8", "--wait")
    half = len(six_speakers.SPEAKERS) // 2
    wait_for(lambda: len(outcomes(site, "six")) >= half, seconds=2 * 3600)
    run = conductor(site, "six")
    site.namespace.cluster.core.delete_namespaced_pod(site.pod(run, "run-batch"), site.namespace.name)
    said = finish(done)
    assert done.returncode == 0, said
    workflows = listed(site, speaker_workflows.of_batch("six"))
    assert len(workflows) == len(six_speakers.SPEAKERS), "a speaker's workflow was made twice"
    expected = dict.fromkeys(six_speakers.SPEAKERS, "voice") | {six_speakers.TOO_SHORT: "failed"}
    assert outcomes(site, "six") == expected
    summary = open_store(f"s3://{site.bucket}").read(f"batches/six/{run}/batch-report/table/summary.csv")[0].decode()
    assert "short of the 2 minutes needed" in summary

    again = submit(site, manifest, "six", "--min-success-ratio", "0.8", "--wait")
    said = finish(again)
    assert again.returncode == 0, said
    begun = [
        child.speaker for child in map(speaker_workflows.from_sketch, listed(site, speaker_workflows.of_batch("six")))
    ]
    assert sorted(begun) == sorted([*six_speakers.SPEAKERS, six_speakers.TOO_SHORT]), "only who failed was tried again"


def test_a_batch_that_is_stopped_leaves_nothing_that_runs(site: Site, tmp_path: Path) -> None:
    manifest = six_speakers.write(tmp_path / "stopped")
    done = submit(site, manifest, "stopped", "--max-parallel", "2", "--wait")
    wait_for(lambda: len(listed(site, speaker_workflows.of_batch("stopped"))) == 2, seconds=600)
    stopping = site.start("batch", "stop", "stopped")
    assert stopping.wait(timeout=60) == 0
    said = finish(done)
    assert done.returncode == 130, said
    assert node(site.workflow(conductor(site, "stopped")), "run-batch")["phase"] == "Failed"
    states = [
        child.completed
        for child in map(speaker_workflows.from_sketch, listed(site, speaker_workflows.of_batch("stopped")))
    ]
    assert states == [True, True]


def test_a_manifest_with_mistakes_begins_nothing(site: Site, tmp_path: Path) -> None:
    rows = [{"speaker": f"s{number}", "source": "s3:///nowhere", "gpt-epochs": -1} for number in range(10)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    words = ("-p", f"manifest={text}", "-p", "batch=wrong", "-p", f"parameters=models=s3://{site.bucket}/models/toy")
    done = site.start("submit", "clone-batch", *words, "--wait")
    said = finish(done)
    assert done.returncode == 65, said
    assert "20 errors" in said and not listed(site, speaker_workflows.of_batch("wrong"))
