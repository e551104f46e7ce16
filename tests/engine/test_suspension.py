"""Approval of a suspended node: by option, by file, on a terminal, or later."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.engine.running import POD, node, phases, run, write


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    tasks = [
        {
            "name": "before",
            "template": "say",
            "arguments": {"parameters": [{"name": "text", "value": "{{workflow.parameters.text}}"}]},
        },
        {"name": "proofread", "template": "wait", "depends": "before"},
        {
            "name": "after",
            "template": "say",
            "depends": "proofread",
            "arguments": {"parameters": [{"name": "text", "value": "{{tasks.proofread.outputs.parameters.reviewer}}"}]},
        },
        {"name": "beside", "template": "say", "arguments": {"parameters": [{"name": "text", "value": "x"}]}},
    ]
    wait = {
        "name": "wait",
        "outputs": {"parameters": [{"name": "reviewer", "valueFrom": {"supplied": {}, "default": "nobody"}}]},
        "suspend": {},
    }
    say = {
        "name": "say",
        "inputs": {"parameters": [{"name": "text"}]},
        "container": {**POD, "args": ["print('{{inputs.parameters.text}}')"]},
    }
    return write(tmp_path / "w.yaml", {"name": "main", "dag": {"tasks": tasks}}, wait, say, parameters=("text",))


def test_without_anyone_to_ask_the_run_does_the_rest_and_ends_75(workflow: Path, tmp_path: Path) -> None:
    result = run(workflow, tmp_path / "run", text="a")
    assert (result.exit_code, result.waiting) == (75, ["proofread"])
    assert phases(result) == {"before": "Succeeded", "beside": "Succeeded", "proofread": "Pending"}
    again = run(workflow, tmp_path / "run", text="a", approve=("proofread",))
    assert phases(again) == {"before": "Cached", "beside": "Cached", "proofread": "Succeeded", "after": "Succeeded"}
    assert (tmp_path / "run" / "after" / "log.txt").read_text() == "nobody\n"


def test_approval_is_kept_until_what_was_approved_changes(workflow: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run", text="a", approve=("all",))
    assert phases(run(workflow, tmp_path / "run", text="a"))["proofread"] == "Cached"
    changed = run(workflow, tmp_path / "run", text="b")
    assert (changed.exit_code, changed.waiting) == (75, ["proofread"])


def test_a_file_approves_exactly_its_node_and_supplies_outputs(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(workflow, folder, text="a")
    (folder / "proofread" / "approval.json").write_text(json.dumps({"parameters": {"reviewer": "anna"}}))
    result = run(workflow, folder, text="a")
    assert node(result, "proofread").parameters == {"reviewer": "anna"}
    assert (folder / "after" / "log.txt").read_text() == "anna\n"


@pytest.mark.parametrize(("whole", "reviewer"), [(True, "anna\n"), (False, None)], ids=["whole", "broken"])
def test_a_file_that_is_just_being_written_is_waited_for(
    workflow: Path, tmp_path: Path, whole: bool, reviewer: str | None
) -> None:
    folder = tmp_path / "run"
    run(workflow, folder, text="a")
    approval = folder / "proofread" / "approval.json"
    text = json.dumps({"parameters": {"reviewer": "anna"}})
    approval.write_text(text[:20])
    finishing = threading.Timer(1, approval.write_text, [text if whole else text[:30]])
    finishing.start()
    result = run(workflow, folder, text="a")
    finishing.join()
    if reviewer:
        assert (folder / "after" / "log.txt").read_text() == reviewer
    else:
        assert phases(result)["proofread"] == "Error"
        assert "is not of the form" in node(result, "proofread").message


def test_a_waiting_run_goes_on_when_the_file_appears(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "voicemill", "run", str(workflow), "--out", str(folder), "-p", "text=a", "--wait"]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    approval = folder / "proofread" / "approval.json"
    end = time.monotonic() + 60
    while not approval.parent.exists():
        assert time.monotonic() < end and engine.poll() is None
        time.sleep(0.02)
    approval.write_text("{}")
    output = engine.communicate(timeout=60)[0]
    assert engine.returncode == 0, output
    assert "proofread waits for approval" in output


def on_terminal(command: list[str], answers: bytes) -> tuple[int, str]:
    """Run a command on a terminal of its own, typing `answers` when it asks."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, start_new_session=True
    )
    os.close(child)
    output = b""

    def give_up() -> None:
        process.kill()

    timer = threading.Timer(60, give_up)
    timer.start()
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
            if b"[y/N]" in output and answers:
                os.write(parent, answers)
                answers = b""
    except OSError:  # the terminal is gone with its last user
        pass
    finally:
        timer.cancel()
        os.close(parent)
    return process.wait(timeout=10), output.decode()


@pytest.mark.parametrize(("answers", "code", "reviewer"), [(b"y\nberta\n", 0, "berta\n"), (b"n\n", 75, None)])
def test_on_a_terminal_the_user_is_asked(
    workflow: Path, tmp_path: Path, answers: bytes, code: int, reviewer: str | None
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "voicemill", "run", str(workflow), "--out", str(folder), "-p", "text=a"]
    returned, output = on_terminal(command, answers)
    assert returned == code, output
    assert "Approve proofread?" in output
    log = folder / "after" / "log.txt"
    assert (log.read_text() if log.exists() else None) == reviewer
