"""A batch makes a voice for each speaker; one bad speaker harms no other, and what is done is not done again."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import WORKFLOW
from tests.batch.run_folders import alive, ended, runs_of
from voicemill.batch import state
from voicemill.contract import renames
from voicemill.registry import revocation
from voicemill.storage import open_store

Batch = Callable[..., int]
Speakers = Callable[..., Path]


def summary(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open() as file:
        return {row["speaker"]: row for row in csv.DictReader(file)}


def test_one_bad_speaker_harms_no_other_and_all_are_told_of(batch: Batch, speakers: Speakers, tmp_path: Path) -> None:
    manifest = speakers(anna="one", ben="corrupt", cat="two")
    out = tmp_path / "out"
    assert batch(manifest, "--gpu-hour", 2, "--cpu-hour", 3600) == 65, "all have to succeed unless said otherwise"
    rows = summary(out)
    assert [(name, row["outcome"]) for name, row in rows.items()] == [
        ("anna", "voice"),
        ("ben", "failed"),
        ("cat", "voice"),
    ]
    assert rows["ben"]["reason"] == "ingest: exit code 65" and rows["ben"]["voice"] == ""
    anna = rows["anna"]
    assert (anna["voice"], anna["minutes_in"], anna["error_rate"]) == ("0123456789abcdef", "1", "0.1")
    # A core's hour costs 3600 here, so a core's minute costs 60.
    assert float(anna["cpu_minutes"]) > 0 and float(anna["gpu_minutes"]) == 0
    assert float(anna["cost"]) == pytest.approx(60 * float(anna["cpu_minutes"]), rel=1e-2)
    page = (out / "summary.html").read_text()
    assert "2 of 3 speakers have a voice, 1 failed" in page and "exit code 65" in page
    assert batch(manifest, "--min-success-ratio", 0.6) == 0


def test_run_again_only_what_is_missing_or_changed_is_done(batch: Batch, speakers: Speakers, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(speakers(anna="one", ben="corrupt", cat="two"), "--min-success-ratio", 0) == 0
    # ben's recordings are fixed, cat's are others, dan is new.
    assert batch(speakers(anna="one", ben="three", cat="other", dan="four")) == 0
    assert {name: runs_of(out, name) for name in ("anna", "ben", "cat", "dan")} == {
        "anna": 2,  # her recording was written again
        "ben": 2,
        "cat": 2,
        "dan": 1,
    }
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and "voices" in path.parts}
    assert batch(tmp_path / "speakers.csv") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing was begun"
    assert (out / "voices" / "cat" / "voice").read_text() == "other"
    assert batch(tmp_path / "speakers.csv", "-p", "language=en") == 0
    assert runs_of(out, "anna") == 3, "a parameter changed"


def command(manifest: Path, out: Path, *words: str) -> list[str]:
    start = [sys.executable, "-m", "voicemill", "batch", str(manifest), "--workflow", str(WORKFLOW), "--out", str(out)]
    return [*start, "--cpus", "4", "--max-parallel", "2", *words]


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def is_at(out: Path, speaker: str, task: str) -> bool:
    work = state.replay(out / "voices" / speaker / "run.jsonl")
    return work is not None and task in work.tasks


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_killed_half_way_and_started_again_no_finished_speaker_runs_again(
    speakers: Speakers, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    manifest = speakers(anna="one", ben="two", cat="three", dan="four")
    rows = manifest.read_text().replace("source\n", "source,seconds\n").splitlines()
    # anna and ben are quick, the others would sleep for an hour.
    slow = [f"{row},{0 if row.startswith(('anna', 'ben')) else 3600}" if "," in row else row for row in rows[1:]]
    manifest.write_text("\n".join([rows[0], *slow]))
    out = tmp_path / "out"
    process = subprocess.Popen(command(manifest, out), stdout=subprocess.PIPE, text=True)
    until(lambda: ended(out) == ["anna", "ben"] and is_at(out, "cat", "publish"))
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert summary(out)["cat"]["outcome"] == "stopped" and "2 voice" in said
    until(lambda: not list(alive(out)))
    manifest.write_text(manifest.read_text().replace(",3600", ",0"))
    assert subprocess.run(command(manifest, out), capture_output=True).returncode == 0
    assert {name: runs_of(out, name) for name in ("anna", "ben", "cat")} == {"anna": 1, "ben": 1, "cat": 2}
    assert all(row["outcome"] == "voice" for row in summary(out).values())


def test_no_more_speakers_at_once_than_said(speakers: Speakers, tmp_path: Path) -> None:
    manifest = speakers(**{f"s{number}": "x" for number in range(5)})
    out = tmp_path / "out"
    words = ("-p", "seconds=0.3")
    assert subprocess.run(command(manifest, out, *words), capture_output=True).returncode == 0
    spans = []
    for path in out.glob("voices/*/run.jsonl"):
        times = [json.loads(line)["time"] for line in path.read_text().splitlines()]
        spans.append((times[0], times[-1]))
    moments = [begin for begin, _ in spans]
    assert max(sum(begin <= moment < end for begin, end in spans) for moment in moments) == 2


def test_the_former_name_of_the_limit_is_accepted_with_a_warning(
    batch: Batch, speakers: Speakers, caplog: pytest.LogCaptureFixture
) -> None:
    renames.forget_warnings()
    assert batch(speakers(anna="one"), "--at-once", 1) == 0
    assert "the option --at-once is now --max-parallel" in caplog.text


def test_the_state_can_be_looked_at_while_it_runs(
    voicemill: Callable[..., int], batch: Batch, speakers: Speakers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, out = speakers(anna="one", ben="two"), tmp_path / "out"
    process = subprocess.Popen(command(manifest, out, "-p", "seconds=3600"), stdout=subprocess.DEVNULL)
    until(lambda: is_at(out, "anna", "publish"))
    assert state.is_running(out)
    assert voicemill("batch", "status", out) == 0
    said = capsys.readouterr().out
    assert "running" in said and "publish" in said and "2 speakers" in said
    assert batch(manifest) == 64, "it runs already"
    os.kill(process.pid, signal.SIGTERM)
    process.wait(timeout=60)
    assert not state.is_running(out)
    capsys.readouterr()
    assert voicemill("batch", "status", out, "--json") == 0
    assert {row["outcome"] for row in json.loads(capsys.readouterr().out)} == {"stopped"}
    assert voicemill("batch", "status", tmp_path) == 65


def test_a_run_folder_that_somebody_else_holds_fails_that_speaker_alone(
    batch: Batch, speakers: Speakers, tmp_path: Path
) -> None:
    import fcntl

    manifest, out = speakers(anna="one", ben="two"), tmp_path / "out"
    (out / "voices" / "ben").mkdir(parents=True)
    with (out / "voices" / "ben" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert batch(manifest) == 65
    rows = summary(out)
    assert rows["anna"]["outcome"] == "voice" and "Another voicemill is running" in rows["ben"]["reason"]
    assert batch(manifest) == 0


def test_a_revocation_finds_what_a_batch_left(batch: Batch, speakers: Speakers, tmp_path: Path) -> None:
    assert batch(speakers(anna="one", annabel="two")) == 0
    out = tmp_path / "out"
    registry = open_store(tmp_path / "registry")
    done = revocation.revoke(registry, "anna", why="she asked", by="ben", artifacts=open_store(out))
    assert len(done.before) > 5 and done.after == ()
    assert not (out / "voices" / "anna").exists() and (out / "voices" / "annabel" / "voice").is_file()
