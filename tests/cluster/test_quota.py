"""A namespace that bounds everything: a ResourceQuota on every limit, a LimitRange, and next to no /dev/shm.

The documented values let a whole clone run there.
"""

from __future__ import annotations

import pytest
import yaml

from tests.charts.helm import CHART
from tests.cluster import kubectl
from tests.cluster.site import Site, finish, node, site

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

TEMPLATE = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "clone-voice"}}
QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: team}
spec:
  hard:
    pods: "12"
    requests.cpu: "2"
    requests.memory: 24Gi
    requests.ephemeral-storage: 100Gi
    requests.nvidia.com/gpu: "1"
    limits.cpu: "16"
    limits.memory: 48Gi
    limits.ephemeral-storage: 100Gi
"""
RANGE = """
apiVersion: v1
kind: LimitRange
metadata: {name: team}
spec:
  limits:
    - type: Container
      min: {cpu: 1m, memory: 16Mi}
      max: {cpu: "2", memory: 24Gi, ephemeral-storage: 20Gi}
"""


def test_a_clone_within_a_quota(site: Site) -> None:
    made = [site.namespace.create(text) for text in (QUOTA, RANGE)]
    executor = yaml.safe_load((CHART / "ci" / "production.yaml").read_text())["argo"]["executorResources"]
    try:
        site.apply(pods={"cpuLimit": "2", "ephemeralStorage": "20Gi"}, argo={"executorResources": executor})
        give_little_shm(site)
        done = site.submit_few("tilda", "--wait")
        site.until("tilda", "train-sovits", "Running")
        inside = ("exec", site.pod("tilda", "train-sovits"), "-n", site.namespace.name, "-c", "main", "--")
        size = kubectl.run(*inside, "df", "--output=size", "/dev/shm")
        said = finish(done)
    finally:
        for each in made:
            kind = site.namespace.cluster.resource(each)
            kind.delete(name=each["metadata"]["name"], namespace=site.namespace.name)
        site.apply()
    assert done.returncode == 0, said
    assert "failed quota" not in said, said
    assert int(size.split()[-1]) == 64, "the pod had more of it"
    assert node(site.workflow("tilda"), "publish")["phase"] == "Succeeded"


def give_little_shm(site: Site) -> None:
    """Pods of clone-voice get 64 KiB of /dev/shm, until the release is applied again."""
    templates = site.namespace.get(TEMPLATE)["spec"]["templates"]
    volumes = [each for template in templates for each in template.get("volumes", []) if each["name"] == "shm"]
    assert volumes
    for volume in volumes:
        volume["emptyDir"] = {"medium": "Memory", "sizeLimit": "64Ki"}
    site.namespace.patch(TEMPLATE, {"spec": {"templates": templates}})
