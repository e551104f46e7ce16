"""What an earlier run made is taken over by a later one, whole and as it was, or computed as if there were none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fakes.cluster_pods import Pods
from tests.fakes.copy_stage import copy_texts
from voicemill.contract import reuse
from voicemill.registry import revocation
from voicemill.stages import every
from voicemill.storage import open_store


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("ah")
    (folder / "b.txt").write_text("be")
    (folder / "c.png").write_text("no text")
    return folder


@pytest.fixture
def pods(
    bucket: str, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Pods:
    monkeypatch.setenv("S3_BUCKET", bucket)
    caplog.set_level("INFO")
    return Pods(copy_texts, {"texts": texts}, tmp_path / "out", monkeypatch, caplog)


def test_the_same_is_taken_over_and_the_ledger_and_the_log_say_from_where(pods: Pods) -> None:
    first = pods.run("one", "--upper", "true")
    assert "no earlier run did this" in pods.said
    second = pods.run("two", "--upper", "true")
    assert pods.computed == ["one"] and "reused from the run one" in pods.said
    assert (second / "copies" / "a.txt").read_text() == "AH"
    assert {path.name for path in second.glob("copies/*")} == {path.name for path in first.glob("copies/*")}
    rows = [json.loads(line) for line in (second / "ledger.jsonl").read_text().splitlines()]
    before = [json.loads(line) for line in (first / "ledger.jsonl").read_text().splitlines()]
    assert [row | {"reused_from": "one"} for row in before] == rows and len(rows) == 3
    summary = json.loads((second / "summary.json").read_text())
    assert summary == json.loads((first / "summary.json").read_text()) | {"reused_from": "one"}


@pytest.mark.parametrize(
    "change", ["option", "config", "input", "name of an input", "models", "code", "stage of another"]
)
def test_what_the_outputs_follow_from_decides(
    pods: Pods, texts: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "models"
    weights.mkdir()
    (weights / "base.bin").write_bytes(bytes(20_000_000))
    options = ["--models", str(weights)]
    pods.run("one", *options)
    if change == "option":
        options += ["--times", "2"]
    elif change == "config":
        options += ["--config", f"{pods.stage.name}: {{times: 2}}"]
    elif change == "input":
        (texts / "a.txt").write_text("oh")
    elif change == "name of an input":
        (texts / "a.txt").rename(texts / "z.txt")
    elif change == "models":
        (weights / "base.bin").write_bytes(bytes(9_000_000) + b"\1" * 11_000_000)
    elif change == "code":
        monkeypatch.setattr(reuse, "code_version", lambda module: "another")
    else:
        pods.speaker = "ben"
    pods.run("two", *options)
    assert pods.computed == ["one", "two"]


def test_what_makes_no_difference_does_not_count(pods: Pods, texts: Path, tmp_path: Path) -> None:
    """Paths, times and ways of saying the same."""
    pods.run("one", "--times", "2")
    pods.inputs["texts"] = Path(shutil.copytree(texts, tmp_path / "elsewhere"))
    pods.run("two", "--config", f"{pods.stage.name}: {{times: 2}}\ntrain-gpt: {{epochs: 3}}")
    assert pods.computed == ["one"]


@pytest.mark.parametrize("harm", ["changed", "cut", "removed", "run removed", "record", "never stored"])
def test_what_is_not_there_or_not_as_it_was_is_computed(pods: Pods, harm: str) -> None:
    pods.run("one", store=harm != "never stored")
    store, key = open_store("s3:///"), "voices/anna/one/copy-stage/copies/a.txt"
    (record,) = (entry.key for entry in store.list("tasks/"))
    if harm == "changed":
        store.write(key, b"oh")
    elif harm == "cut":
        store.write(key, b"a")
    elif harm == "removed":
        store.delete(key)
    elif harm == "run removed":
        store.erase(list(store.traces("voices/anna/one/")))
    elif harm == "record":
        store.write(record, b'{"key": ')
    out = pods.run("two")
    assert pods.computed == ["one", "two"] and (out / "copies" / "a.txt").read_text() == "ah"
    reasons = {"changed": "content was changed", "cut": "has 1 bytes, not 2", "record": "is not valid JSON"}
    assert reasons.get(harm, "does not exist any more") in pods.said
    pods.run("three")
    assert pods.computed == ["one", "two"], "the record was mended"


def test_a_record_that_names_files_elsewhere_brings_nothing_there(pods: Pods, tmp_path: Path) -> None:
    pods.run("one")
    store = open_store("s3:///")
    (record,) = (entry.key for entry in store.list("tasks/"))
    content = json.loads(store.read(record)[0])
    content["outputs"]["copies"]["../../../stray.txt"] = content["outputs"]["copies"]["a.txt"]
    store.write(record, json.dumps(content).encode())
    pods.run("two")
    assert pods.computed == ["one", "two"] and not list(tmp_path.rglob("stray.txt"))


def test_a_run_that_took_something_over_can_be_taken_from_when_the_first_is_gone(pods: Pods) -> None:
    pods.run("one")
    pods.run("two")
    store = open_store("s3:///")
    store.erase(list(store.traces("voices/anna/one/")))
    out = pods.run("three")
    assert pods.computed == ["one"] and "reused from the run two" in pods.said
    assert json.loads((out / "summary.json").read_text())["reused_from"] == "two"


def test_a_run_may_compute_anew_for_those_after_it_or_have_nothing_to_do_with_records(pods: Pods) -> None:
    pods.run("one", mode="never")
    assert not list(open_store("s3:///").list("tasks/"))
    pods.run("two")
    pods.run("three", mode="refresh")
    pods.run("four", mode="never")
    assert pods.computed == ["one", "two", "three", "four"]
    pods.run("five")
    assert "reused from the run three" in pods.said


def test_namespaces_that_share_a_bucket_share_no_results(pods: Pods) -> None:
    pods.run("one", namespace="one-team")
    pods.run("two", namespace="another-team")
    assert pods.computed == ["one", "two"]


def test_a_bucket_without_records_to_read_or_write_stops_nothing(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "a-bucket-that-does-not-exist")
    pods.run("one", store=False)
    assert pods.computed == ["one"] and "later runs cannot reuse" in pods.said


def test_revoking_a_speaker_removes_the_records_of_the_runs(pods: Pods, bucket: str) -> None:
    for speaker in ("anna", "annabel"):
        pods.speaker = speaker
        pods.run(speaker)
    revocation.revoke(
        open_store(f"s3://{bucket}/registry"), "anna", why="she asked", by="ben", artifacts=open_store(f"s3://{bucket}")
    )
    (left,) = open_store("s3:///").list("tasks/")
    assert left.key.startswith("tasks/voices/annabel/")


def test_stages_that_need_a_gpu_are_reused_unless_they_write_elsewhere_or_speak_with_a_voice_of_a_registry() -> None:
    reused = {stage.name for stage in every() if stage.is_reusable}
    assert reused == {
        *("separate", "dereverb", "denoise", "transcribe", "format", "train-sovits", "train-gpt", "evaluate"),
        "train-content-encoder",
    }
