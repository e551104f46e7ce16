"""The whole job on the small base: recordings in, a voice and speech out; and the same after three kills."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import soundfile

from tests.proofread.serving import Client, serving
from voicemill.core.digests import file_digest
from voicemill.voice.manifest import read_voice

DEMO = Path(__file__).parents[2] / "examples" / "demo_speaker"
CLEANING = ("ingest", "separate", "assess-quality", "normalize", "slice", "identify-speakers")
LEARNING = ("transcribe", "apply-review", "format", "train-sovits", "train-gpt", "evaluate")
TASKS = (*CLEANING, *LEARNING, "publish", "synthesize", "report")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], list[str]]:
    """The command that clones twenty seconds of the demo speaker; takes the run folder."""
    source = tmp_path_factory.mktemp("recordings")
    for name in ("01_river_walk", "04_winter"):
        samples, rate = soundfile.read(DEMO / f"{name}.ogg")
        soundfile.write(source / f"{name}.flac", samples[: 10 * rate], rate)
    models = tmp_path_factory.mktemp("models") / "small"
    subprocess.run([sys.executable, "-m", "voicemill", "models", "small", str(models)], check=True)
    parameters = {
        "speaker": "demo",
        "source": source,
        "models": models,
        "min-minutes": 0.3,
        "text": "Good morning, and welcome to the mill.",
        "sovits-epochs": 2,
        "gpt-epochs": 1,
        # Few clips would be gone through many times an epoch; here twice is enough.
        "config": "{train-sovits: {save-every: 1, min-clips-per-epoch: 8},"
        " train-gpt: {save-every: 1, min-clips-per-epoch: 8}, evaluate: {lines: 1}}",
        "seed": 7,
    }
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}={value}")]
    run = [sys.executable, "-m", "voicemill", "run", "clone-voice"]
    return lambda folder: [*run, *given, "--out", str(folder)]


@pytest.fixture(scope="module")
def undisturbed(command: Callable[[Path], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    ended = subprocess.run(command(folder), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]


def test_recordings_become_a_voice_that_speaks(undisturbed: Path) -> None:
    assert all((undisturbed / task).is_dir() for task in TASKS)
    voice = read_voice(undisturbed / "voice")
    assert voice.version == "v2"
    spoken = sorted((undisturbed / "speech").glob("*.wav"))
    assert len(spoken) == 1
    speech = soundfile.info(spoken[0])
    assert speech.samplerate == 32_000 and speech.duration > 0.5
    page = (undisturbed / "report.html").read_text()
    assert "Succeeded" in page and "train-sovits" in page and "<audio" in page


def test_every_item_is_accounted_for(undisturbed: Path) -> None:
    lines = [json.loads(line) for line in (undisturbed / "ledger.jsonl").read_text().splitlines()]
    assert {line["task"] for line in lines} >= set(TASKS) - {"report"}
    assert all(line["outcome"] == "kept" or line["reason"] for line in lines)


def test_a_finished_run_runs_nothing_again(command: Callable[[Path], list[str]], undisturbed: Path) -> None:
    before = len(events(undisturbed))
    said = subprocess.run(command(undisturbed), check=True, capture_output=True, text=True).stdout
    assert f"voicemill say 'Good morning.' --voice {undisturbed / 'voice'} --models " in said
    assert f"voicemill serve {undisturbed / 'voice'} --models " in said
    fresh = [event for event in events(undisturbed)[before:] if event.get("phase") == "Running"]
    assert [event["task"] for event in fresh if event.get("template")] == []


def test_training_gets_the_words_that_were_approved_last(
    command: Callable[[Path], list[str]], undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "reviewed"
    shutil.copytree(undisturbed, folder, symlinks=True)
    (folder / "run.jsonl").unlink()
    waiting = [*command(folder), "-p", "proofread=always"]
    ended = subprocess.run(waiting, capture_output=True, text=True)
    assert ended.returncode == 75 and "proofread" in ended.stdout, ended.stdout + ended.stderr
    with serving(str(folder), tmp_path) as server:
        client = Client(server.origin, server.token, "-/reviewed")
        clip = client.rows()[0]["clip"]

        def approve(text: str, version: int) -> str:
            client.edit("text", clip, version, text=text).raise_for_status()
            body = {"id": uuid4().hex, "number": client.get(client.run).json()["number"]}
            return client.post(f"{client.run}/approve", json=body).json()["state"]

        assert approve("Entirely different words.", 0) == "resumed"
        stopped_when(waiting, lambda: running(folder, "train-gpt") or running(folder, "train-sovits"))
        assert texts_by_clip(folder / "format/dataset/2-name2text.txt", "\t")[clip] == "Entirely different words."
        review = json.loads((folder / "apply-review/transcripts/review.json").read_text())
        assert review["digest"] == file_digest(folder / "apply-review/transcripts/transcripts.list")
        suspended = json.loads((folder / "proofread/_SUCCESS.json").read_text())["parameters"]
        assert (suspended["reviewer"], suspended["edited"]) == (review["reviewer"], "1")

        # A finished review is opened again: only what follows from it runs again.
        assert approve("Words on second thoughts.", 1) == "done-before"
        before = len(events(folder))
        stopped_when(waiting, lambda: running(folder, "format"))
    again = {e["task"] for e in events(folder)[before:] if e.get("phase") == "Running" and e.get("template") in TASKS}
    assert again == {"apply-review", "format"}
    listed = texts_by_clip(folder / "apply-review/transcripts/transcripts.list", "|")
    assert listed[clip] == "Words on second thoughts."


def texts_by_clip(path: Path, separator: str) -> dict[str, str]:
    """Last field by first field."""
    rows = [line.split(separator) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row[0]: row[-1] for row in rows}


def stopped_when(command: list[str], moment: Callable[[], bool]) -> None:
    """Start the command, wait for the moment, and stop it as Ctrl-C would."""
    run = started_until(command, moment)
    run.process.send_signal(signal.SIGINT)
    run.process.wait(60)


def test_killed_at_three_points_it_ends_with_the_same_weights(
    command: Callable[[Path], list[str]], undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "run.json").write_bytes((undisturbed / "run.json").read_bytes())
    for task in (*CLEANING, "transcribe", "apply-review"):
        shutil.copytree(undisturbed / task, folder / task, symlinks=True)
    killed_while(command(folder), lambda: running(folder, "format"), engine)
    killed_while(command(folder), lambda: (folder / "train-sovits/.state/checkpoint.pt").exists(), engine)
    # A stage's own process: the engine sees it die and tries it again. The two trainings run in either order, so that
    # only a later stage is sure to be still to come; tests/stages kills a training itself.
    last = killed_while(command(folder), lambda: running(folder, "evaluate"), stage_of("voicemill.stages.evaluate"))
    assert last.process.wait(timeout=500) == 0, last.account()

    finished = [e["task"] for e in events(folder) if e.get("phase") == "Succeeded" and e.get("template") in TASKS]
    assert sorted(finished) == sorted(set(TASKS) - {*CLEANING, "transcribe", "apply-review"}), "each ran once"
    for weights in ("sovits.safetensors", "gpt.safetensors"):
        assert (folder / "voice" / weights).read_bytes() == (undisturbed / "voice" / weights).read_bytes()


def running(folder: Path, task: str) -> bool:
    """Whether the task's process has been started by the engine that runs at present."""
    if not (folder / "run.jsonl").exists():
        return False
    last = [event for event in events(folder) if event.get("task") == task]
    return bool(last) and last[-1]["phase"] == "Running"


def engine(process: subprocess.Popen[bytes]) -> int:
    return process.pid


def stage_of(module: str) -> Callable[[subprocess.Popen[bytes]], int]:
    def find(process: subprocess.Popen[bytes]) -> int:
        """The stage's process, looked up among the processes of this machine by its parent and its module."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (entry / "cmdline").exists():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if module in words and f"PPid:\t{process.pid}\n" in (entry / "status").read_text():
                    return int(entry.name)
        raise AssertionError(f"no process of {module}")

    return find


def killed_while(
    command: list[str], moment: Callable[[], bool], victim: Callable[[subprocess.Popen[bytes]], int]
) -> Started:
    """Start the command, wait for the moment, and kill the victim with SIGKILL."""
    run = started_until(command, moment)
    time.sleep(0.3)
    target = victim(run.process)
    os.kill(target, signal.SIGKILL)
    if target == run.process.pid:
        run.process.wait()
    return run


@dataclass
class Started:
    """A command that was started, and the file of what it says: a run that fails has to be found out about."""

    process: subprocess.Popen[bytes]
    output: Path

    def account(self) -> str:
        """Its exit code, what it said, and the log of the task that it named as the one that failed."""
        said = self.output.read_text()
        logs = [Path(place).read_text() for place in re.findall(r"^Its log: (.+)$", said, re.MULTILINE)]
        return "\n".join([f"exit code {self.process.poll()}", said, *logs])


def started_until(command: list[str], moment: Callable[[], bool]) -> Started:
    """Start the command and wait for the moment."""
    output = Path(command[command.index("--out") + 1]).with_suffix(".output.txt")
    with output.open("wb") as file:
        run = Started(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT), output)
    deadline = time.monotonic() + 400
    while not moment():
        assert run.process.poll() is None, f"the run ended before the moment came: {run.account()}"
        assert time.monotonic() < deadline, f"the moment did not come: {run.account()}"
        time.sleep(0.05)
    return run
