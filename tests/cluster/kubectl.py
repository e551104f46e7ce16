"""kubectl, for what only it does: draining a node, forwarding a port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.kube import Namespace


def kubectl() -> str:
    """Path of kubectl: the cluster's own, else the one on the PATH; skips the test where there is none."""
    ours = Path(os.environ.get("CLUSTER_BIN", "")) / "kubectl"
    found = str(ours) if ours.is_file() else shutil.which("kubectl")
    if not found:
        pytest.skip("needs kubectl, on the PATH or in $CLUSTER_BIN")
    return found


def run(*words: str) -> str:
    """What a command of kubectl prints. Raises AssertionError when it fails."""
    done = subprocess.run([kubectl(), *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def forwarded(namespace: Namespace, service: str) -> Iterator[str]:
    """The port 80 of a Service at an address of this machine's, as `kubectl port-forward` brings it."""
    command = [kubectl(), "-n", namespace.name, "port-forward", f"service/{service}", ":80"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found, "kubectl did not forward the port"
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait(30)
