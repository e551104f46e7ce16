"""What a node does to a run on a real Argo: it is drained while a training runs."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.cluster import kubectl
from tests.cluster.site import Site, finish, has_checkpoint, site, wait_for

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

EPOCHS = 3


def test_a_training_goes_on_after_its_node_was_drained(site: Site) -> None:
    done = site.submit_few("petra", "--wait", sovits_epochs=str(EPOCHS))
    site.until("petra", "train-sovits", "Running")
    wait_for(lambda: has_checkpoint(site.stored("petra"), "train-sovits"), seconds=600)
    pod = site.pod("petra", "train-sovits")
    machine = site.namespace.cluster.core.read_namespaced_pod(pod, site.namespace.name).spec.node_name
    try:
        # Pods of workflows belong to nothing that drain knows, hence --force; other namespaces are other tests'.
        only = "--pod-selector=workflows.argoproj.io/workflow=petra"
        kubectl.run("drain", machine, "--force", "--delete-emptydir-data", "--ignore-daemonsets", only)
        waits = lambda: "unschedulable" in finish(site.start("status", "petra"))  # noqa: E731
        wait_for(waits, seconds=180)
        time.sleep(5)
    finally:
        kubectl.run("uncordon", machine)
    said = finish(done)
    assert done.returncode == 0, said
    assert "unschedulable" in said, "whoever waited was not told why nothing went on"
    rows = site.stored("petra").read("train-sovits/weights/metrics.jsonl")[0].decode().splitlines()
    epochs = [row["epoch"] for row in map(json.loads, rows) if "loss_validation_mel" in row]
    assert epochs == list(range(1, EPOCHS + 1))
    assert re.search(r"resuming from epoch [1-3]", finish(site.start("logs", "petra"))), "the second pod began anew"
