"""Training on a cluster is not repeated where a run before did the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.cluster_pods import Pods
from voicemill.stages.train_gpt import train_gpt
from voicemill.storage import open_store


@pytest.fixture
def pods(
    bucket: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Pods:
    monkeypatch.setenv("S3_BUCKET", bucket)
    caplog.set_level("INFO")
    return Pods(train_gpt, {"dataset": dataset}, tmp_path / "out", monkeypatch, caplog)


def test_training_is_not_repeated_with_the_same_dataset_and_is_with_other_epochs(pods: Pods, models: Path) -> None:
    options = ["--models", str(models), "--batch-size", "25", "--epochs"]
    first = pods.run("one", *options, "1")
    second = pods.run("two", *options, "1")
    assert pods.computed == ["one"]
    (weights,) = first.glob("weights/*.safetensors")
    assert (second / "weights" / weights.name).read_bytes() == weights.read_bytes()
    third = pods.run("three", *options, "2")
    assert pods.computed == ["one", "three"] and list(third.glob("weights/gpt_e2_*"))


def test_a_try_that_left_a_state_is_gone_on_with(pods: Pods, models: Path) -> None:
    """Its state must end with its run: the note by which Argo deletes it is only left by a stage that used it."""
    options = ["--models", str(models), "--batch-size", "25", "--epochs", "1"]
    pods.run("one", *options)
    open_store("s3:///voices/anna/two/train-gpt/state").write("index.json", b'{"owner": "x", "files": {}}')
    pods.run("two", *options)
    assert pods.computed == ["one", "two"] and "left a state" in pods.said
