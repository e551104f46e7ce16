"""A stage's state in S3: whole whenever its pod dies, and never another's."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voicemill.contract import check_stop
from voicemill.contract.state import kept
from voicemill.core import digests
from voicemill.core.errors import InputError
from voicemill.storage import open_store, s3

COUNT = [sys.executable, "-m", "tests.fakes.copy_stage"]

# Saves ever new states as a training does: rows are added to a file, a checkpoint and weights are renamed into place.
TRAINING = """
import json, os, sys
from voicemill.contract import check_stop
from voicemill.contract.state import kept
from tests.contract.test_state import whole
with kept(sys.argv[1]) as folder:
    step = whole(folder)
    print(step, flush=True)
    while True:
        step += 1
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step}) + chr(10))
        for name, content in (("weights", os.urandom(200_000)), ("checkpoint", str(step).encode() * 20_000)):
            (folder / f"{name}.partial").write_bytes(content)
            (folder / f"{name}.partial").replace(folder / name)
        check_stop()
"""


def whole(folder: Path) -> int:
    """The step of a state, after a look at whether its parts belong together."""
    if not (folder / "checkpoint").exists():
        return 0
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    step = json.loads(rows[-1])["step"]
    assert (folder / "checkpoint").read_text() == str(step) * 20_000
    assert len(rows) == step and (folder / "weights").stat().st_size == 200_000
    return step


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come about in 30 s"
        time.sleep(0.05)


@pytest.fixture
def address(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("S3_BUCKET", bucket)
    return "s3:///voices/lj/run/train-gpt/state"


def files_of(address: str) -> dict[str, str]:
    return json.loads(open_store(address).read("index.json")[0])["files"]


def test_a_stage_that_is_told_to_stop_goes_on_elsewhere(address: str, tmp_path: Path) -> None:
    command = [*COUNT, "--state", address, "--state-sent", str(tmp_path / "sent"), "--steps", "60"]
    environment = {**os.environ, "STAGE": "count"}
    process = subprocess.Popen([*command, "--numbers", str(tmp_path / "one")], env=environment, stderr=subprocess.PIPE)
    until(lambda: (tmp_path / "sent").exists())
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75 and set(files_of(address)) == {"step"}
    assert json.loads((tmp_path / "sent" / "kept.json").read_text()) == {"state": address}
    again = subprocess.run(
        [*command, "--numbers", str(tmp_path / "two")], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert again.returncode == 0 and "resuming from a state of 1 files in S3" in again.stderr
    assert (tmp_path / "two" / "last").read_text() == "60" and not (tmp_path / "one").exists()


def test_however_often_the_machine_dies_the_state_is_whole_and_never_goes_back(address: str) -> None:
    reached, random_seconds = 0, random.Random(3)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", TRAINING, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        step = process.stdout.readline()
        assert step, "the state that was brought is not whole"
        assert int(step) >= reached
        reached = int(step)
        time.sleep(random_seconds.uniform(0.05, 0.6))
        process.kill()
        process.wait()
    assert reached > 0
    digests = set(files_of(address).values())
    assert digests <= {entry.key.removeprefix("files/") for entry in open_store(address).list("files/")}


def test_what_an_index_names_no_more_is_deleted(address: str) -> None:
    with kept(address) as folder:
        for content in (b"one", b"two", b"three"):
            (folder / "checkpoint").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            check_stop()
            until(lambda digest=digest: files_of(address) == {"checkpoint": digest})
    assert [entry.key for entry in open_store(address).list("files/")] == [f"files/{digest}"]


def test_a_state_that_could_not_be_sent_is_sent_at_the_next_safe_point(
    bucket: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = s3.client()
    with kept(address) as folder:
        store = open_store(address)
        index = store.read("index.json")[0]
        store.delete("index.json")
        client.delete_bucket(Bucket=bucket)
        (folder / "checkpoint").write_bytes(b"state")
        check_stop()
        until(lambda: "the state was not uploaded" in caplog.text)
        client.create_bucket(Bucket=bucket)
        store.write("index.json", index)
        check_stop()
        until(lambda: files_of(address).get("checkpoint"))


def test_a_try_that_was_given_up_for_lost_cannot_harm_the_next(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with kept(address) as lost:
        (lost / "checkpoint").write_bytes(b"first")
        check_stop()
        until(lambda: files_of(address))
        with kept(address) as folder:
            assert (folder / "checkpoint").read_bytes() == b"first"
            (lost / "checkpoint").write_bytes(b"of the lost one")
            check_stop()
            until(lambda: "another attempt of this stage has taken over its state" in caplog.text)
    assert files_of(address)["checkpoint"] == hashlib.sha256(b"first").hexdigest()


def test_without_a_bucket_the_state_stays_here_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("S3_BUCKET", raising=False)
    with kept("s3:///voices/lj/state") as folder:
        assert folder.is_dir()
    assert "S3_BUCKET is not set: the state of this stage does not survive" in caplog.text
    with pytest.raises(InputError, match="names no bucket; write s3://bucket/prefix, or set S3_BUCKET"):
        open_store("s3:///voices/lj")


def test_an_address_that_s3_refuses_fails_at_once_and_one_that_is_away_is_tried_again(
    bucket: str, tmp_path: Path
) -> None:
    command = [*COUNT, "--numbers", str(tmp_path / "one"), "--state"]
    environment = {**os.environ, "STAGE": "count", "AWS_MAX_ATTEMPTS": "1"}
    refused = subprocess.run([*command, f"s3://{bucket}-is-not-there/state"], env=environment)
    assert refused.returncode == 65
    environment |= {"S3_ENDPOINT": "http://127.0.0.1:9"}
    away = subprocess.run([*command, f"s3://{bucket}/state"], env=environment)
    assert away.returncode == 75


def test_what_arrived_is_neither_copied_nor_read_again(address: str, monkeypatch: pytest.MonkeyPatch) -> None:

    read: list[str] = []
    digest = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: read.append(path.name) or digest(path))

    def sent(folder: Path) -> dict[str, str]:
        check_stop()
        until(lambda: not list(folder.parent.glob("snapshot-*")))
        return files_of(address)

    with kept(address) as folder:
        for name in ("first", "second", "third"):
            (folder / name).write_text(name)
            assert name in sent(folder)
        (folder / "second").unlink()
        assert set(sent(folder)) == {"first", "third"}
    assert read == ["first", "second", "third"]
    with kept(address) as folder:
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"first": "first", "third": "third"}
        (folder / "first").write_text("again")
        assert sent(folder)["first"] == hashlib.sha256(b"again").hexdigest()
    assert read == ["first", "second", "third", "first"]
