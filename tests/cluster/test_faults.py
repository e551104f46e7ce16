"""What a person sees on a real Argo when something outside a run is wrong: an image, S3's keys, models, the controller.

Each fault ends with the exit code of docs/reference/exit-codes.md and a sentence that names what to mend, in what
`voicemill submit --wait` prints, in `voicemill status` and in the workflow's nodes (which `argo get` shows).
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.kube import Object
from tests.cluster.site import SPEAKER, Site, finish, node, restart_controller, site
from voicemill.storage import open_store

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "voicemill-s3"}}


def test_an_image_that_cannot_be_pulled_is_named_and_ends_the_run(site: Site) -> None:
    missing = "localhost/voicemill-not-there:1"
    site.apply(stages={"ingest": {"image": missing}}, images={"pullLimitSeconds": 20})
    began = time.monotonic()
    try:
        done = site.submit("gerda", SPEAKER, "--wait")
        said = finish(done)
    finally:
        site.apply()
    assert done.returncode == 75, said
    assert missing in said
    assert time.monotonic() - began < 300
    assert len([line for line in said.splitlines() if line.startswith("ingest ")]) == 1, (
        "said again and again:\n" + said
    )
    assert "could not be pulled" in finish(site.start("status", "gerda"))


def test_wrong_keys_for_s3_are_nothing_that_the_user_recorded(site: Site) -> None:
    with keys(site, secret="wrong"):
        done = site.submit("helga", SPEAKER, "--wait")
        said = finish(done)
    assert done.returncode in (69, 75), said
    assert len(pods(site.workflow("helga"))) <= 3, "a refusal was tried again"
    state = finish(site.start("status", "helga"))
    assert "403" in state or "SignatureDoesNotMatch" in state or "denied" in state.lower(), state


def test_missing_models_are_named(site: Site) -> None:
    nowhere = f"s3://{site.bucket}/models/none"
    done = site.submit("irma", SPEAKER, "--wait", models=nowhere)
    said = finish(done)
    assert done.returncode == 65, said
    assert nowhere in said and "exit code 66" in said


def test_two_submissions_of_one_name_are_one_run(site: Site) -> None:
    first = site.submit_few("jutta")
    said = finish(first)
    assert first.returncode == 0, said
    given = site.pairs({"speaker": "jutta", "source": str(SPEAKER), "language": "en"})
    second = site.start("submit", "clone-voice", "--name", "jutta", *given)
    answer = finish(second)
    assert second.returncode != 0 and "jutta" in answer, answer
    assert site.start("stop", "jutta").wait(timeout=60) == 0
    site.namespace.workflow_end(site.workflow("jutta"), seconds=120)


def test_a_controller_that_is_restarted_loses_no_run(site: Site) -> None:
    done = site.submit_few("karla", "--wait")
    site.until("karla", "slice", "Running", "Succeeded")
    restart_controller()
    said = finish(done)
    assert done.returncode == 0, said
    assert node(site.workflow("karla"), "publish")["phase"] == "Succeeded"
    stored = {entry.key for entry in open_store(f"s3://{site.bucket}/voices/karla/karla").list()}
    assert "publish/voice/voice.json" in stored


def test_the_reason_is_in_the_node_and_not_a_log(site: Site) -> None:
    done = site.submit("lotte", SPEAKER, "--wait", min_minutes="60")
    said = finish(done)
    assert done.returncode == 65, said
    failed = [each for each in pods(site.workflow("lotte")) if each["phase"] == "Failed"]
    assert [each["displayName"] for each in failed] == ["ingest(0)"], "it was tried again"
    message = failed[0]["message"]
    assert "60 minutes" in message and "Traceback" not in message and len(message) < 1000, message
    listed = json.loads(finish(site.start("status", "lotte", "-o", "json")))
    assert "60 minutes" in json.dumps(listed)


def pods(found: Object) -> list[dict[str, Any]]:
    """Nodes of the pods that a run made, retried ones each."""
    nodes = (found.get("status", {}).get("nodes") or {}).values()
    return [each for each in nodes if each["type"] == "Pod"]


@contextmanager
def keys(site: Site, *, secret: str) -> Iterator[None]:
    """Another secret key for S3 in the installation while this lasts."""

    def put(value: str) -> None:
        site.namespace.patch(SECRET, {"data": {"AWS_SECRET_ACCESS_KEY": base64.b64encode(value.encode()).decode()}})

    put(secret)
    try:
        yield
    finally:
        put(os.environ["AWS_SECRET_ACCESS_KEY"])
