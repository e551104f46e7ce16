"""`voicemill batch submit`, `status` and `stop` against a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.conftest import cluster, door
from tests.cli.test_commands import refusal, status, voicemill
from tests.fakes.argo_api import Cluster
from tests.fakes.argo_controller import Controller
from voicemill.batch import conductor, speaker_workflows
from voicemill.stages.run_batch import run_batch
from voicemill.storage import Store, open_store

__all__ = ["cluster", "door"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def store(cluster: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("S3_BUCKET", bucket)
    monkeypatch.setattr(conductor, "SECONDS_BETWEEN_LOOKS", 0.02)
    return open_store(f"s3://{bucket}")


def submit(manifest: Path, *words: str) -> Result:
    return voicemill("batch", "submit", str(manifest), "-p", "models=s3:///models", "--name", "heroes", *words)


def conducted(cluster: Cluster) -> int:
    """Run the conductor that was submitted; gives its exit code."""
    [run] = [run for run in cluster.runs if run["metadata"]["name"].startswith("clone-batch-")]
    given = {item["name"]: item["value"] for item in run["spec"]["arguments"]["parameters"]}
    given |= {"run": run["metadata"]["name"], "run-uid": run["metadata"]["uid"]}
    code = run_batch.run([word for name, value in given.items() for word in (f"--{name}", value)])
    run["status"] = status("Succeeded" if code == 0 else "Failed")
    return code


def test_sources_of_this_machine_are_uploaded_and_the_batch_is_made(
    door: Cluster, store: Store, speakers: Callable[..., Path]
) -> None:
    manifest = speakers(anna="one", ben="two")
    result = submit(manifest, "--max-parallel", "3", "--priority", "2")
    assert result.exit_code == 0 and "2 speakers" in result.output, result.output
    [run] = door.runs
    assert run["spec"]["workflowTemplateRef"] == {"name": "clone-batch"}
    assert run["metadata"]["labels"][speaker_workflows.BATCH] == "heroes"
    given = {item["name"]: item["value"] for item in run["spec"]["arguments"]["parameters"]}
    assert (given["batch"], given["max-parallel"], given["priority"]) == ("heroes", "3", "2")
    key = given["manifest"].split("/", 3)[3]
    rows = [json.loads(line) for line in store.read(key)[0].decode().splitlines() if line]
    assert [(row["speaker"], row["models"]) for row in rows] == [("anna", "s3:///models"), ("ben", "s3:///models")]
    assert all(row["source"].startswith("s3://") for row in rows)
    assert len(list(store.list("uploads/used/anna/"))) == 1, "a revocation finds what anna's upload was"

    with Controller(door, fails={"ben": "too short"}):
        assert conducted(door) == 65
    seen = voicemill("batch", "status", "heroes")
    assert seen.exit_code == 0 and "1 voice, 1 failed" in seen.output and "ingest: too short" in seen.output
    told = {row["speaker"]: row for row in json.loads(voicemill("batch", "status", "heroes", "--json").output)}
    assert (told["anna"]["outcome"], told["anna"]["line"]) == ("voice", 2)
    sent = len(list(store.list("uploads/sha256/")))
    assert submit(manifest).exit_code == 0
    assert len(list(store.list("uploads/sha256/"))) == sent, "nothing is sent twice"


def test_a_batch_that_is_being_made_is_not_made_twice_and_can_be_stopped(
    door: Cluster, store: Store, speakers: Callable[..., Path]
) -> None:
    manifest = speakers(anna="one")
    assert "is not running in the namespace" in str(refusal("batch", "stop", "heroes"))
    assert submit(manifest).exit_code == 0
    error = refusal("batch", "submit", str(manifest), "-p", "models=s3:///models", "--name", "heroes")
    assert error.exit_code == 65 and "is already running as clone-batch-" in str(error)
    assert voicemill("batch", "stop", "heroes").exit_code == 0
    assert door.runs[0]["spec"]["shutdown"] == "Stop"
    seen = voicemill("batch", "status", "heroes")
    assert seen.exit_code == 0 and "is running" in seen.output
    assert "no batch villains" in str(refusal("batch", "status", "villains"))


def test_with_any_mistake_nothing_is_uploaded_or_submitted(
    cluster: Cluster, store: Store, speakers: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = speakers(anna="one")
    rows = manifest.read_text().splitlines()
    more = [*rows[1:], "ben,nowhere", "cat,recordings/anna", "dan,recordings/anna"]
    values = ["many", "1", "-1", "2"]
    manifest.write_text(
        "\n".join(
            ["speaker,source,gpt-epochs,registry", *(f"{a},{b}," for a, b in zip(more, values, strict=True))]
        ).replace("2,", "2,../registry")
    )
    result = submit(manifest)
    told = [line.rpartition(".csv:")[2].partition(":")[0] for line in result.stderr.splitlines() if ".csv:" in line]
    assert result.exception and told == ["2", "3", "4", "5"], result.stderr
    assert not cluster.runs and not list(store.list())


def test_paths_of_the_pods_are_left_alone(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("speaker,source\nanna,/volume/anna\n")
    assert submit(tmp_path / "m.csv").exception
    assert submit(tmp_path / "m.csv", "--in-pods", "source").exit_code == 0
    [entry] = list(store.list())
    assert json.loads(store.read(entry.key)[0].decode().splitlines()[1])["source"] == "/volume/anna"


@pytest.mark.parametrize("words", [("--name", "A b"), ("-p", "speed=2"), ("-p", "source=x"), ("--workflow", "none")])
def test_what_is_wrong_for_all_is_told(
    cluster: Cluster, store: Store, speakers: Callable[..., Path], words: tuple[str, str]
) -> None:
    assert refusal("batch", "submit", str(speakers(anna="one")), *words).exit_code in (64, 65)
    assert not cluster.runs and not list(store.list())


def test_on_one_machine_clone_batch_points_to_the_command_that_does_it(tmp_path: Path) -> None:
    error = refusal("run", "clone-batch", "--out", str(tmp_path))
    assert error.exit_code == 64 and "voicemill batch MANIFEST --out DIR" in str(error)
