"""Images of the stages, built from this tree and pushed to the cluster's registry."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAG = "test"


def build(registry: str, *stages: str) -> dict[str, str]:
    """Build the images of some stages and push them; gives their names by stage.

    With $VOICEMILL_IMAGES they are taken from where it says, such as `10.0.0.1:5000/`, with the version as their tag.
    """
    if prefix := os.environ.get("VOICEMILL_IMAGES"):
        from voicemill import __version__

        return {stage: f"{prefix}voicemill-{stage}:{__version__}" for stage in stages}
    if not any(shutil.which(builder) for builder in ("docker", "podman", "buildah")):
        pytest.skip("needs docker, podman or buildah to build images")
    prefix = f"{registry}/"
    environment = {
        **os.environ,
        "REGISTRY": prefix,
        "TAG": TAG,
        "PUSH": "1",
        "SIZES": "0",
        "INSECURE": "1",
    }
    environment.setdefault("STORAGE_DRIVER", "overlay")
    base = Path(os.environ.get("CLUSTER_BIN", "")).parent / "images/base.tar"
    if base.is_file():
        environment.setdefault("BASE", f"oci-archive:{base}")
    certificates = "/etc/ssl/certs"
    if Path(certificates, "ca-certificates.crt").is_file():
        # The build sees the network as this machine does.
        environment.setdefault("PIP_CERT", f"{certificates}/ca-certificates.crt")
        environment.setdefault("BUILD_OPTIONS", f"--network host -v {certificates}:{certificates}:ro")
    done = subprocess.run([ROOT / "images/build", *stages], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return {stage: f"{prefix}voicemill-{stage}:{TAG}" for stage in stages}
