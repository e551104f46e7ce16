"""A script by two voices on one machine: killed, gone on with, and one manifest in its order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from tests.stages.test_synthesize import models, voice

__all__ = ["models", "voice"]

ROWS = [
    {"text": "Good morning.", "seed": 2},
    {"text": "It rains today.", "voice": "bob"},
    {"text": "..."},
    {"text": "Five past nine.", "voice": "ada", "speed": 1.25},
]


@pytest.fixture
def script(tmp_path: Path, voice: Path, models: Path) -> Path:
    (tmp_path / "ada").symlink_to(voice)
    (tmp_path / "models").symlink_to(models)
    shutil.copytree(voice, tmp_path / "bob")
    described = json.loads((voice / "voice.json").read_text())
    (tmp_path / "bob" / "voice.json").write_text(json.dumps({**described, "speaker": "bob"}))
    path = tmp_path / "script.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def start(script: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "voicemill", "run", "synthesize-bulk", "--out", "run", "-p", "script=script.jsonl"]
    command += ["-p", "voices=ada,bob", "-p", "models=models", *more]
    return subprocess.Popen(
        command, cwd=script.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def test_a_script_is_spoken_by_all_its_voices_and_goes_on_after_a_kill(script: Path) -> None:
    run = script.parent / "run"
    process = start(script)
    while not list(run.glob("synthesize@*/_SUCCESS.json")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in run.glob("synthesize@*/_SUCCESS.json")}
    assert not (run / "manifest.jsonl").exists()
    ended = start(script)
    said = ended.communicate(timeout=500)[0]
    assert ended.returncode == 0, said
    assert {path: path.stat().st_mtime_ns for path in done} == done, "what was done is not done again"

    rows = [json.loads(row) for row in (run / "manifest.jsonl").read_text().splitlines()]
    assert [(row["line"], row["speaker"], "file" in row) for row in rows] == [
        (1, "ada", True),
        (1, "bob", True),
        (2, "bob", True),
        (3, "ada", False),
        (3, "bob", False),
        (4, "ada", True),
    ]
    assert all("nothing to speak" in row["dropped"] for row in rows if "file" not in row)
    spoken = [row for row in rows if "file" in row]
    assert [row["text"] for row in spoken] == [ROWS[index]["text"] for index in (0, 0, 1, 3)]
    for row in spoken:
        sound = soundfile.SoundFile(run / row["file"])
        assert len(sound) / sound.samplerate == pytest.approx(row["seconds"], abs=0.001)
        assert json.loads(sound.comment)["speaker"] == row["speaker"]
    assert len({row["voice"] for row in spoken}) == 2
    ledger = [json.loads(row) for row in (run / "ledger.jsonl").read_text().splitlines()]
    lines = [entry for entry in ledger if entry["stage"] == "synthesize"]
    assert sorted(entry["outcome"] for entry in lines) == ["dropped"] * 2 + ["kept"] * 4


def test_a_script_with_mistakes_starts_nothing(script: Path) -> None:
    script.write_text('{"text": "Hello.", "voice": "carl"}\n{"text": 3}\n')
    ended = start(script)
    said = ended.communicate(timeout=100)[0]
    assert ended.returncode == 65
    assert "script.jsonl has 2 mistakes" in said and "line 2" in said
    assert not list((script.parent / "run").glob("synthesize@*"))
