"""Every generated object is accepted, field by field, by a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kubernetes.dynamic.exceptions import BadRequestError

from tests.cluster.kube import Namespace

pytestmark = pytest.mark.cluster

GENERATED = sorted((Path(__file__).parents[2] / "charts/voicemill/workflows").glob("*.yaml"))


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_the_server_takes_a_generated_template(path: Path, namespace: Namespace) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        made = namespace.create(document, dry_run=True)
        assert made["spec"].get("entrypoint") == document["spec"].get("entrypoint")


def test_the_server_refuses_a_field_that_argo_does_not_have(namespace: Namespace) -> None:
    document = yaml.safe_load(GENERATED[0].read_text())
    document["spec"]["entripoint"] = "main"
    with pytest.raises(BadRequestError, match="entripoint"):
        namespace.create(document, dry_run=True)
