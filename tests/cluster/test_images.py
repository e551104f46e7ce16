"""A CPU stage's image, built from this tree, run as a pod that the restricted Pod Security Standard admits."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.cluster import images
from tests.cluster.kube import Namespace

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

CLIP = images.ROOT / "charts/voicemill/files/one-clip.ogg"
STEPS = """
set -e
python -m voicemill.stages.ingest --source /clip/one-clip.ogg --audio /tmp/audio --min-minutes 0.01
python -m voicemill.stages.normalize --audio /tmp/audio --levelled /tmp/levelled
python -m voicemill.stages.slice --audio /tmp/levelled --clips /tmp/clips
id -u
! touch /opt/voicemill/x 2>/dev/null
"""


@pytest.fixture(scope="module")
def image(registry: str) -> str:
    return images.build(registry, "slice")["slice"]


def test_a_clip_goes_through_stages_in_a_restricted_pod(namespace: Namespace, image: str) -> None:
    clip = base64.b64encode(CLIP.read_bytes()).decode()
    metadata = {"name": "clip"}
    namespace.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {CLIP.name: clip}})
    pod = namespace.create(restricted_pod("slice", image, ["sh", "-c", STEPS]))
    ended = namespace.pod_end(pod, seconds=900)
    log = namespace.log("slice")
    assert ended["status"]["phase"] == "Succeeded", log
    *summaries, user = [line for line in log.splitlines() if line.startswith("{") or line.isdigit()]
    assert user == "65532"
    by_stage = {summary["stage"]: summary for summary in map(json.loads, summaries) if "kept" in summary}
    assert by_stage["ingest"]["kept"] == by_stage["normalize"]["kept"] == 1
    assert by_stage["slice"]["kept"] >= 1 and by_stage["slice"]["seconds"] > 1


def restricted_pod(name: str, image: str, command: list[str]) -> dict[str, Any]:
    """A pod as the workflows' policy makes it: not root, a read-only root, nothing writable but /tmp."""
    container = {
        "name": "main",
        "image": image,
        "command": command,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}, {"name": "clip", "mountPath": "/clip"}],
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "clip", "configMap": {"name": "clip"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
