"""A release of the chart on the cluster under test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from tests.charts.helm import CHART, Helm
from tests.cluster.kube import Namespace

RELEASE = "voicemill"


class Release:
    """A release of the chart in a namespace, on this cluster's S3.

    Args:
        helm: Helm.
        namespace: Where it goes.
        bucket: Bucket of this cluster's S3 server.
        folder: Where its values file is kept.
    """

    def __init__(self, helm: Helm, namespace: Namespace, bucket: str, folder: Path) -> None:
        self.helm = helm
        self.namespace = namespace
        self.values: dict[str, Any] = {
            "s3": {"endpoint": os.environ["S3_ENDPOINT"], "bucket": bucket},
            "gpu": {"fallBackToCpu": True},  # the node announces a GPU that it does not have
        }
        self.file = folder / "values.yaml"
        keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        metadata = {"name": "voicemill-s3"}
        namespace.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys})

    def apply(self, chart: Path = CHART, **values: Any) -> str:
        """Install or upgrade, with more values; gives what Helm prints."""
        self.file.write_text(yaml.safe_dump(self.values | values))
        return self.run("upgrade", "--install", RELEASE, str(chart), "--values", str(self.file))

    def run(self, *arguments: str) -> str:
        done = self.helm.run(*arguments, "--namespace", self.namespace.name)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr  # logs of hooks come by the second
