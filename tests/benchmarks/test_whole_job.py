"""What a whole job took, as its processes tell it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.whole_job.__main__ import WATCHED, module, rows


def test_each_stage_that_ran_has_a_row(tmp_path: Path):
    events = [
        {"event": "run", "workflow": "clone-voice"},
        {"event": "task", "task": "train-gpt", "template": "train-gpt", "phase": "Running"},
        {"event": "task", "task": "train-gpt", "template": "train-gpt", "phase": "Succeeded", "seconds": 12.0},
        {"event": "task", "task": "publish", "template": "publish", "phase": "Cached", "seconds": 0.1},
    ]
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (tmp_path / "train-gpt").mkdir()
    (tmp_path / "train-gpt" / "weights").write_bytes(bytes(2**20))
    command = ["-m", "voicemill.stages.train_gpt", "--epochs", "1"]
    took = {"command": command, "cpu": 9.0, "imports": 3.0, "memory": 800.0, "read": 2**21, "written": 2**20}
    other = {**took, "command": ["-c", "from multiprocessing.spawn import spawn_main"]}
    (row,) = rows(tmp_path, [other, took])
    assert (row.stage, row.cpu, row.waiting) == ("train-gpt", 9.0, 3.0)
    assert (row.read, row.written, row.outputs) == (2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("command", "name"), [(["-m", "a.b", "--x"], "a.b"), (["-c", "pass"], ""), (["script.py", "-m"], "")]
)
def test_a_process_is_told_by_its_module(command: list[str], name: str):
    assert module(command) == name


def test_a_watched_process_tells_what_it_took(tmp_path: Path):
    usage = tmp_path / "usage.jsonl"
    environment = {**os.environ, "WHOLE_JOB_USAGE": str(usage), "PYTHONPATH": str(WATCHED)}
    code = "import decimal, os; held = bytearray(64 * 2**20); os.fork() or os._exit(0); os.wait()"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    (line,) = map(json.loads, usage.read_text().splitlines())
    assert line["command"][0] == "-c"
    assert 0 < line["imports"] < line["cpu"] and line["memory"] > 64
