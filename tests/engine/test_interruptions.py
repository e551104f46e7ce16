"""Killed, interrupted and stopped runs: nothing is corrupted, nobody is left behind, the next run goes on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.running import POD, phases, run, write
from voicemill.engine.pods import kill_orphans
from voicemill.engine.workflow import RunFolderError

COUNTS_TO_FIVE = """
import os, signal, sys, time
state, out, speed = sys.argv[1] + "/n", sys.argv[2], float(sys.argv[3])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
n = int(open(state).read()) if os.path.exists(state) else 0
while n < 5:
    time.sleep(speed)
    n += 1
    open(state + ".new", "w").write(str(n))
    os.replace(state + ".new", state)
    print("counted", n, flush=True)
open(out, "w").write(str(n))
"""
SPEED = 0.2


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    tasks = [
        {"name": "quick", "template": "quick"},
        {"name": "slow", "template": "slow", "depends": "quick"},
        {"name": "after", "template": "quick", "depends": "slow"},
    ]
    slow = {
        "name": "slow",
        "metadata": {"annotations": {"voicemill.dev/state": "state"}},
        "inputs": {"parameters": [{"name": "state", "default": "/state"}]},
        "outputs": {"artifacts": [{"name": "n", "path": "/tmp/n"}]},
        "container": {
            **POD,
            "args": [COUNTS_TO_FIVE, "{{inputs.parameters.state}}", "{{outputs.artifacts.n.path}}", str(SPEED)],
        },
    }
    quick = {"name": "quick", "container": {**POD, "args": ["print('quick')"]}}
    return write(tmp_path / "w.yaml", {"name": "main", "dag": {"tasks": tasks}}, slow, quick)


def start(workflow: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    """The engine as a process of its own."""
    command = [sys.executable, "-m", "voicemill", "run", str(workflow), "--out", str(folder), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def counted(folder: Path) -> int:
    state = folder / "slow" / ".state" / "n"
    return int(state.read_text()) if state.exists() else 0


def processes(folder: Path) -> list[int]:
    """Processes that belong to a run."""
    mark = f"VOICEMILL_RUN={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0") and (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_engine_killed_takes_its_stages_along_and_the_next_run_goes_on(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    engine = start(workflow, folder)
    wait_for(lambda: counted(folder) >= 2)
    engine.kill()
    engine.wait()
    wait_for(lambda: not processes(folder), seconds=5)
    assert not (folder / "slow" / "n").exists()
    reached = counted(folder)
    result = run(workflow, folder)
    assert phases(result) == {"quick": "Cached", "slow": "Succeeded", "after": "Succeeded"}
    assert (folder / "slow" / "n").read_text() == "5"
    # It resumed from where it was: the log of both runs counts every number once.
    assert (folder / "slow" / "log.txt").read_text().split("\n").count(f"counted {reached}") == 1


def test_stage_killed_fails_with_its_signal_and_the_next_run_goes_on(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    engine = start(workflow, folder)
    wait_for(lambda: counted(folder) >= 1)
    for process in processes(folder):
        os.kill(process, signal.SIGKILL)
    output = engine.communicate(timeout=60)[0]
    assert engine.returncode == 137, output
    result = run(workflow, folder)
    assert phases(result) == {"quick": "Cached", "slow": "Succeeded", "after": "Succeeded"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_interrupted_engine_lets_stages_stop_cleanly(
    workflow: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    engine = start(workflow, folder)
    wait_for(lambda: counted(folder) >= 1)
    engine.send_signal(number)
    output = engine.communicate(timeout=60)[0]
    assert engine.returncode == code, output
    assert "Run the same command again" in output
    assert not processes(folder)
    events = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "end"
    assert phases(run(workflow, folder)) == {"quick": "Cached", "slow": "Succeeded", "after": "Succeeded"}


def test_stage_that_does_not_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    workflow = write(tmp_path / "w.yaml", {"name": "main", "container": {**POD, "args": [deaf]}})
    folder = tmp_path / "run"
    engine = start(workflow, folder, "--grace", "0.3")
    wait_for(lambda: (folder / "main" / "log.txt").exists() and "deaf" in (folder / "main" / "log.txt").read_text())
    engine.send_signal(signal.SIGINT)
    engine.communicate(timeout=30)
    assert engine.returncode == 130
    assert not processes(folder)


def test_what_a_dead_engine_left_running_is_killed_before_the_next_run(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    environment = {**os.environ, "VOICEMILL_RUN": str(folder)}
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment)
    wait_for(lambda: orphan.pid in processes(folder))
    assert phases(run(workflow, folder))["after"] == "Succeeded"
    assert orphan.wait(timeout=10) == -signal.SIGKILL


def test_orphans_are_gone_when_they_are_said_to_be_also_those_that_come_meanwhile(tmp_path: Path) -> None:
    breeding = """
import os, time
while True:
    if not os.fork():
        bytearray(32 << 20)
        time.sleep(600)
    time.sleep(0.001)
"""
    environment = {**os.environ, "VOICEMILL_RUN": str(tmp_path)}
    orphan = subprocess.Popen([sys.executable, "-c", breeding], env=environment, start_new_session=True)
    try:
        wait_for(lambda: len(processes(tmp_path)) > 3)
        killed = kill_orphans(tmp_path)
        assert processes(tmp_path) == []
        assert orphan.pid in killed and len(killed) > 3
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(orphan.pid, signal.SIGKILL)
        assert orphan.wait(timeout=10) == -signal.SIGKILL


def test_two_engines_do_not_share_a_run_folder(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match="Another voicemill is running"):
            run(workflow, folder)
    assert str(run(workflow, folder).phase) == "Succeeded"
