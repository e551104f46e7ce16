"""A batch is conducted on a cluster: bounded, restartable, each speaker by itself, and nothing is left when it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import cluster
from tests.fakes.argo_api import ARGO, Cluster
from tests.fakes.argo_controller import Controller, speaker
from voicemill.batch import conductor, events, metrics, speaker_workflows
from voicemill.cluster import image_pulls, queues, retrying
from voicemill.core import gpu_cost
from voicemill.stages.batch_report import batch_report
from voicemill.stages.run_batch import run_batch
from voicemill.storage import Store, open_store

__all__ = ["cluster"]

Json = dict[str, Any]
pytestmark = pytest.mark.timeout(120)

WORKFLOWS = f"{ARGO}/namespaces/voices/workflows"
SIX = ("anna", "ben", "cat", "dan", "eve", "fay")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "SECONDS_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(conductor, "SECONDS_TO_END", 10.0)
    monkeypatch.setattr(retrying, "SECONDS_BETWEEN_TRIES", 0.02)


@pytest.fixture
def store(cluster: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The bucket of the cluster, with each speaker's recordings."""
    monkeypatch.setenv("S3_BUCKET", bucket)
    store = open_store(f"s3://{bucket}")
    for name in SIX:
        store.write(f"in/{name}/a.wav", name.encode())
    return store


class Batch:
    """A batch called heroes, conducted by one workflow after the other.

    Attributes:
        run: The workflow that conducts it at the moment.
        ledger: Of the last conductor.
        progress: As the last conductor wrote it.
    """

    def __init__(self, cluster: Cluster, store: Store, folder: Path) -> None:
        self.cluster, self.store, self.folder = cluster, store, folder
        self.run = "clone-batch-1"
        self.ledger, self.progress = folder / "ledger.jsonl", folder / "progress"
        self.given: dict[str, str] = {"batch": "heroes", "parameters": "models=/models"}
        self.manifest(*(f"{name},s3:///in/{name}" for name in SIX))

    def manifest(self, *rows: str, heading: str = "speaker,source") -> None:
        self.store.write("m.csv", "\n".join([heading, *rows]).encode())
        self.given["manifest"] = "s3:///m.csv"

    def again(self) -> None:
        """It is submitted once more."""
        self.run = f"clone-batch-{int(self.run.rpartition('-')[2]) + 1}"

    def words(self, **more: object) -> list[str]:
        own = {"run": self.run, "run-uid": f"uid-{self.run}", "ledger": self.ledger}
        given = {**self.given, **own, **{name.replace("_", "-"): value for name, value in more.items()}}
        return [word for name, value in given.items() for word in (f"--{name}", str(value))]

    def conduct(self, **more: object) -> int:
        """The conductor's exit code."""
        self.cluster.add("workflows", {"metadata": {"name": self.run}, "spec": {}})
        return run_batch.run(self.words(**more))

    def summary(self) -> dict[str, dict[str, str]]:
        """The summary's rows, as its exit handler writes them."""
        out = self.folder / f"table-{self.run}"
        own = {"run": self.run, "run-uid": "u", "run-parameters": json.dumps(self.given), "table": out}
        assert batch_report.run([word for name, value in own.items() for word in (f"--{name}", str(value))]) == 0
        with (out / "summary.csv").open() as file:
            return {row["speaker"]: row for row in csv.DictReader(file)}

    def outcomes(self) -> dict[str, str]:
        return {name: row["outcome"] for name, row in self.summary().items()}

    def of(self, who: str) -> list[Json]:
        """A speaker's workflows."""
        mine = [run for run in self.cluster.runs if speaker_workflows.CONDUCTOR in run["metadata"].get("labels", {})]
        return [run for run in mine if speaker(run) == who]


@pytest.fixture
def batch(cluster: Cluster, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    batch = Batch(cluster, store, tmp_path)
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(batch.progress))
    return batch


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def let_go(controller: Controller, count: int) -> None:
    """End all that is held once so many run, and some looks later still no more."""
    wait_for(lambda: len(controller.runs("Running")) == count)
    time.sleep(10 * conductor.SECONDS_BETWEEN_LOOKS)
    controller.held.clear()


def test_all_speakers_get_a_voice_and_no_more_at_once_than_said(batch: Batch) -> None:
    with Controller(batch.cluster, held={*SIX}) as controller:
        thread = threading.Thread(target=lambda: let_go(controller, 2))
        thread.start()
        assert batch.conduct(max_parallel=2) == 0
        thread.join()
    assert sorted(controller.begun) == sorted(SIX) and controller.most == 2
    assert batch.progress.read_text() == "6/6"
    rows = [json.loads(line) for line in batch.ledger.read_text().splitlines()]
    assert {row["item"]: row["outcome"] for row in rows} == dict.fromkeys(SIX, "kept")


def test_one_bad_speaker_harms_no_other_and_the_summary_tells_of_all(batch: Batch) -> None:
    with Controller(batch.cluster, fails={"ben": "90 s are too short"}):
        assert batch.conduct(gpu_hour=2, cpu_hour=0.5) == 65, "all have to succeed unless said otherwise"
        batch.given |= {"gpu-hour": "2", "cpu-hour": "0.5"}
        rows = batch.summary()
        assert list(rows) == list(SIX)
        assert rows["ben"]["outcome"] == "failed" and rows["ben"]["voice"] == ""
        assert rows["ben"]["reason"] == "ingest: 90 s are too short (exit code 65)"
        anna = rows["anna"]
        figures = {name: anna[name] for name in ("minutes_in", "minutes_used", "error_rate", "similarity", "score")}
        assert figures == dict(zip(figures, ("5", "4", "0.1", "0.9", "0.8"), strict=True))
        assert (anna["voice"], anna["gpu_minutes"], anna["cpu_minutes"]) == ("0123456789abcdef", "60", "120")
        assert float(anna["cost"]) == pytest.approx(2 * 1 + 0.5 * 2)
        # 10 minutes of format, 40 of train-gpt, and 10 of pods that the status does not have any more.
        assert (anna["training_gpu_minutes"], anna["inference_gpu_minutes"]) == ("50", "10")
        assert anna["folder"].startswith("s3://studio/voices/anna/heroes-anna-")
        batch.again()
        assert batch.conduct(min_success_ratio=0.8) == 0
    page = (batch.folder / "table-clone-batch-1" / "summary.html").read_text()
    assert "5 of 6 speakers have a voice, 1 failed" in page and "90 s are too short" in page


def test_a_gpu_of_each_class_has_its_price_where_the_batch_names_none(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(gpu_cost.PRICES, '{"training": 3, "inference": 0.6}')
    monkeypatch.setenv(gpu_cost.CURRENCY, "EUR")
    with Controller(batch.cluster):
        assert batch.conduct() == 0
        assert float(batch.summary()["anna"]["cost"]) == pytest.approx(3 * 50 / 60 + 0.6 * 10 / 60)
    page = (batch.folder / "table-clone-batch-1" / "summary.html").read_text()
    assert "300 of training" in page and "about 15.6 EUR in all" in page


def test_events_and_figures_tell_of_who_failed_again_and_of_the_end(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[str] = []
    text_of = metrics.text_of

    @contextmanager
    def looked_at_in_the_end(asked: Callable[[], str]) -> Iterator[None]:
        yield
        figures.append(asked())

    monkeypatch.setenv(events.ENABLED, "true")
    monkeypatch.setattr(metrics, "served_if_asked", looked_at_in_the_end)
    with Controller(batch.cluster, fails={"ben": "too short"}):
        assert batch.conduct() == 65
        batch.again()
        assert batch.conduct() == 65
    counts = {"waiting": 0, "running": 0, "voice": 5, "failed": 1, "stopped": 0}
    assert figures == [text_of("heroes", counts, 0), text_of("heroes", counts, 1)]
    told = [item for (plural, _), item in batch.cluster.objects.items() if plural == "events"]
    assert [(each["type"], each["reason"], each["message"]) for each in told] == [
        ("Warning", "BatchDone", "5 of 6 speakers have a voice"),
        ("Warning", "SpeakerFailedAgain", "ben failed again: ingest: too short (exit code 65)"),
        ("Warning", "BatchDone", "5 of 6 speakers have a voice"),
    ]
    assert told[1]["involvedObject"]["name"] == "clone-batch-2" and told[1]["involvedObject"]["kind"] == "Workflow"


def test_a_conductor_that_may_not_create_events_makes_the_voices(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(events.ENABLED, "true")
    batch.cluster.status["/api/v1/namespaces/voices/events"] = 403
    with Controller(batch.cluster):
        assert batch.conduct() == 0
    assert not [plural for plural, _ in batch.cluster.objects if plural == "events"]


def test_figures_are_served_to_whoever_asks_for_them() -> None:
    with metrics.served(lambda: metrics.text_of("heroes", {"voice": 3}, 1), 0, "127.0.0.1") as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/")
    assert 'voicemill_batch_speakers{batch="heroes",state="voice"} 3' in lines
    assert 'voicemill_batch_speakers_failed_again{batch="heroes"} 1' in lines
    assert metrics.served_if_asked(str).__enter__() is None, "not without a port"


def test_submitted_again_only_what_is_missing_or_changed_is_made(batch: Batch) -> None:
    with Controller(batch.cluster, fails={"ben": "too short"}) as controller:
        assert batch.conduct() == 65
        controller.fails = {}
        controller.begun = []
        batch.again()
        batch.store.write("in/cat/b.wav", b"more")
        assert batch.conduct() == 0
        assert sorted(controller.begun) == ["ben", "cat"]
        batch.again()
        assert batch.conduct() == 0 and len(controller.begun) == 2
        batch.again()
        assert batch.conduct(parameters="models=/other") == 0 and len(controller.begun) == 8, "a parameter changed"
    assert len({run["metadata"]["name"] for run in batch.of("cat")}) == 3


def test_a_killed_conductor_goes_on_from_what_it_finds(batch: Batch) -> None:
    with Controller(batch.cluster, fails={"anna": "too short"}, held={"cat", "dan"}) as controller:
        batch.cluster.add("workflows", {"metadata": {"name": batch.run}, "spec": {}})
        command = [sys.executable, "-m", "voicemill.stages.run_batch", *batch.words(max_parallel=2)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(lambda: set(controller.runs("Running")) == {"cat", "dan"} or process.poll() is not None)
        process.kill()
        process.wait()
        controller.held = set()
        assert run_batch.run(batch.words(max_parallel=2)) == 65
        assert sorted(controller.begun) == sorted(SIX), "nobody was begun twice, who failed neither"
        assert controller.most == 2
        assert batch.outcomes() == {**dict.fromkeys(SIX, "voice"), "anna": "failed"}


def interrupted(batch: Batch, controller: Controller, *, shut_down: bool) -> int:
    """The exit code of a conductor that gets SIGTERM while two speakers are worked on."""

    def interrupt() -> None:
        wait_for(lambda: set(controller.runs("Running")) == {"cat", "dan"})
        if shut_down:
            with batch.cluster.lock:
                batch.cluster.objects["workflows", batch.run]["spec"]["shutdown"] = "Stop"
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code = batch.conduct(max_parallel=2)
    thread.join()
    return code


def test_stopped_it_leaves_nothing_behind_but_finished_voices(batch: Batch) -> None:
    with Controller(batch.cluster, held={"cat", "dan"}) as controller:
        assert interrupted(batch, controller, shut_down=True) == 75
        assert all(run["spec"]["shutdown"] == "Terminate" for run in [*batch.of("cat"), *batch.of("dan")])
        expected = {"anna": "voice", "ben": "voice", "cat": "stopped", "dan": "stopped"}
        assert batch.outcomes() == expected | {"eve": "waiting", "fay": "waiting"}
        assert not controller.runs("Running")
        controller.held, controller.begun = set(), []
        batch.again()
        assert batch.conduct() == 0 and sorted(controller.begun) == ["cat", "dan", "eve", "fay"]


def test_preempted_it_leaves_its_workflows_running(batch: Batch) -> None:
    with Controller(batch.cluster, held={"cat", "dan"}) as controller:
        assert interrupted(batch, controller, shut_down=False) == 75
        assert sorted(controller.runs("Running")) == ["cat", "dan"]
        controller.held = set()
        assert run_batch.run(batch.words()) == 0 and sorted(controller.begun) == sorted(SIX)


def test_where_the_conductor_failed_the_exit_handler_ends_what_runs(batch: Batch) -> None:
    with Controller(batch.cluster, held={"cat", "dan"}) as controller:
        interrupted(batch, controller, shut_down=False)
        assert batch.outcomes()["cat"] == "stopped" and not controller.runs("Running")


def test_twenty_mistakes_are_twenty_lines_and_nothing_is_begun(batch: Batch) -> None:
    rows = [f"s{number},s3:///in/anna,{number - 20}" for number in range(20)]
    batch.manifest(*rows, "anna,s3:///in/anna,1", heading="speaker,source,gpt-epochs")
    with Controller(batch.cluster) as controller:
        assert batch.conduct() == 65
        assert not controller.begun
    told = [json.loads(line) for line in batch.ledger.read_text().splitlines()]
    assert [row["item"] for row in told] == [f"line {number}" for number in range(2, 22)]
    assert all(row["reason"].startswith("gpt-epochs") for row in told)
    assert batch.summary()["s0"]["reason"].startswith("gpt-epochs")


def test_two_mistakes_on_a_line_are_both_told(batch: Batch) -> None:
    batch.manifest("anna,s3:///in/nobody,-1", heading="speaker,source,gpt-epochs")
    assert batch.conduct() == 65
    [told] = [json.loads(line) for line in batch.ledger.read_text().splitlines()]
    assert told["item"] == "line 2" and "gpt-epochs" in told["reason"] and "nothing found at" in told["reason"]
    assert batch.summary()["anna"]["reason"].startswith("gpt-epochs")


def test_a_text_that_argo_would_change_is_a_mistake(batch: Batch) -> None:
    batch.manifest('anna,s3:///in/anna,"Two is {{=1+1}} now."', heading="speaker,source,text")
    assert batch.conduct() == 65
    [told] = [json.loads(line) for line in batch.ledger.read_text().splitlines()]
    assert "text: " in told["reason"] and "give it in a file in S3" in told["reason"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": "Heroes!"}, "is not a valid batch name"),
        ({"parameters": "speed=2"}, "speed: clone-voice has no such parameter"),
        ({"parameters": "source=x"}, "source"),
        ({"parameters": "{"}, "no JSON object"),
    ],
)
def test_what_is_wrong_for_all_is_told(
    batch: Batch, given: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    batch.given |= given
    assert batch.conduct() == 64 and len(batch.cluster.runs) == 1


def test_a_path_of_another_machine_is_a_mistake(batch: Batch) -> None:
    batch.manifest("anna,recordings/anna", "ben,/volume/ben", "cat,s3:///in/nobody")
    assert batch.conduct() == 65
    told = [json.loads(line) for line in batch.ledger.read_text().splitlines()]
    assert [row["item"] for row in told] == ["line 2", "line 4"]


def test_a_manifest_can_be_the_text_itself(batch: Batch) -> None:
    batch.given["manifest"] = '{"speaker": "安娜", "source": "s3:///in/anna"}\n'
    with Controller(batch.cluster) as controller:
        assert batch.conduct() == 0
    assert controller.begun == ["安娜"]
    [run] = batch.of("安娜")
    assert run["metadata"]["name"].startswith("heroes-") and run["metadata"]["name"].isascii()
    assert batch.outcomes() == {"安娜": "voice"}


def test_speakers_workflows_can_be_submitted_whole(batch: Batch) -> None:
    with Controller(batch.cluster):
        assert batch.conduct(inline="true", queue="night", priority=7) == 0
    [run], [other] = batch.of("anna"), batch.of("ben")
    template = batch.cluster.objects["workflowtemplates", "clone-voice"]["spec"]
    assert "workflowTemplateRef" not in run["spec"] and run["spec"]["templates"] == template["templates"]
    values = {item["name"]: item.get("value") for item in run["spec"]["arguments"]["parameters"]}
    assert values["speaker"] == "anna" and values.keys() == {
        item["name"] for item in template["arguments"]["parameters"]
    }
    assert run["spec"]["podMetadata"]["labels"] == {queues.LABEL: "night"} and run["spec"]["priority"] == 7
    assert "priority" not in template and other["spec"]["arguments"] != run["spec"]["arguments"]
    assert batch.outcomes() == dict.fromkeys(batch.outcomes(), "voice")


def test_a_speakers_workflow_is_owned_ranked_and_queued(batch: Batch) -> None:
    with Controller(batch.cluster):
        assert batch.conduct(priority=7, queue="night") == 0
    [run] = batch.of("anna")
    [owner] = run["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"], owner["kind"]) == (batch.run, f"uid-{batch.run}", "Workflow")
    assert run["spec"]["workflowTemplateRef"] == {"name": "clone-voice"} and run["spec"]["priority"] == 7
    assert run["spec"]["podMetadata"]["labels"] == {queues.LABEL: "night"}
    labels = run["metadata"]["labels"]
    assert (labels[speaker_workflows.BATCH], labels[speaker_workflows.CONDUCTOR]) == ("heroes", batch.run)
    assert labels[speaker_workflows.OUTCOME] == "voice" and len(run["metadata"]["name"]) <= 63
    assert all(len(value) <= 63 for value in labels.values())


def test_a_queue_that_would_not_reach_the_gpu_pods_is_refused(batch: Batch) -> None:
    templates = batch.cluster.objects["workflowtemplates", "clone-voice"]["spec"]["templates"]
    train = next(each for each in templates if each["name"] == "train-gpt")
    train["metadata"]["labels"] = {queues.LABEL: "speech"}
    assert batch.conduct(queue="night") == 64
    assert [run["metadata"]["name"] for run in batch.cluster.runs] == [batch.run]
    with Controller(batch.cluster):
        assert batch.conduct(queue="speech") == 0


def test_the_cluster_is_asked_no_more_of_a_speaker_than_its_beginning_and_its_end(batch: Batch) -> None:
    batch.cluster.page = 2
    with Controller(batch.cluster):
        assert batch.conduct(max_parallel=6) == 0
    asked = [request.partition(" ")[::2] for request in batch.cluster.requests]
    of_one = [(method, path.rpartition("/")[2]) for method, path in asked if path.startswith(f"{WORKFLOWS}/")]
    names = {run["metadata"]["name"] for run in batch.cluster.runs} - {batch.run}
    assert sorted(of_one) == sorted((method, name) for name in names for method in ("GET", "PATCH"))
    assert asked.count(("POST", WORKFLOWS)) == 6


def test_a_speaker_whom_the_cluster_refuses_fails_alone(batch: Batch) -> None:
    batch.cluster.refused = {"s3:///in/ben"}
    with Controller(batch.cluster):
        assert batch.conduct(min_success_ratio=0.5) == 0
    rows = batch.summary()
    assert "rejected it" in rows["ben"]["reason"] and rows["cat"]["outcome"] == "voice"


def test_a_workflow_that_somebody_deletes_is_noticed(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "SECONDS_BETWEEN_COUNTS", 0.1)

    def delete() -> None:
        wait_for(lambda: "cat" in controller.runs("Running"))
        [run] = batch.of("cat")
        with batch.cluster.lock:
            del batch.cluster.objects["workflows", run["metadata"]["name"]]

    with Controller(batch.cluster, held={"cat"}) as controller:
        thread = threading.Thread(target=delete)
        thread.start()
        assert batch.conduct(min_success_ratio=0.5) == 0
        thread.join()
    assert "was deleted" in batch.summary()["cat"]["reason"]


def test_a_cluster_that_is_away_for_a_while_only_takes_time(batch: Batch) -> None:
    def away() -> None:
        for _ in range(3):
            wait_for(lambda: bool(controller.runs("Running")))
            batch.cluster.status[WORKFLOWS] = 503
            time.sleep(0.2)
            del batch.cluster.status[WORKFLOWS]
            time.sleep(0.05)

    with Controller(batch.cluster, held={"fay"}) as controller:
        thread = threading.Thread(target=lambda: (away(), controller.held.clear()))
        thread.start()
        assert batch.conduct(max_parallel=1) == 0
        thread.join()
    assert sorted(controller.begun) == sorted(SIX)


def test_of_a_conductor_that_is_gone_what_is_still_wanted_is_taken_over(batch: Batch) -> None:
    with Controller(batch.cluster, held={"cat", "dan"}) as controller:
        interrupted(batch, controller, shut_down=False)
        batch.again()
        batch.store.write("in/dan/b.wav", b"other recordings")
        thread = threading.Thread(target=lambda: (wait_for(lambda: len(batch.of("dan")) == 2), controller.held.clear()))
        thread.start()
        assert batch.conduct() == 0
        thread.join()
        assert controller.begun.count("cat") == 1 and controller.begun.count("dan") == 2
    [cat], [before, after] = batch.of("cat"), batch.of("dan")
    assert cat["metadata"]["ownerReferences"][0]["name"] == batch.run
    assert before["spec"]["shutdown"] == "Terminate" and "shutdown" not in after["spec"]


def test_where_an_image_cannot_be_pulled_the_cluster_is_to_blame(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "SECONDS_BETWEEN_COUNTS", 0.02)
    for template in (item for (plural, _), item in batch.cluster.objects.items() if plural == "workflowtemplates"):
        template["metadata"].setdefault("annotations", {})[image_pulls.LIMIT] = "0.05"
    with Controller(batch.cluster, held={"ben"}, no_image={"ben"}) as controller:
        assert batch.conduct() == 69, "no retry, and nobody looks for a mistake in the recordings"
        assert sorted(controller.begun) == sorted(SIX)
        rows = batch.summary()
        assert [name for name, row in rows.items() if row["outcome"] != "voice"] == ["ben"]
        assert rows["ben"]["cause"] == "infrastructure" and "ErrImagePull" in rows["ben"]["reason"]
        (run,) = batch.of("ben")
        assert run["spec"]["shutdown"] == "Terminate"


def test_a_bucket_that_denies_access_is_no_mistake_of_the_recordings(batch: Batch) -> None:
    with Controller(batch.cluster, fails={"ben": "S3 denies access to s3://voices/in/ben"}, code="69"):
        assert batch.conduct() == 69
        assert batch.summary()["ben"]["cause"] == "infrastructure"
