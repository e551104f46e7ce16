"""A stage as a process: options in, files, exit code and one clear sentence out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voicemill.contract import retries
from voicemill.contract.code import code_version

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.fakes.copy_stage"]

needs_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full, a full disk")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VOICEMILL_", "ARGO_"))}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=REPOSITORY,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("ab")
    (folder / "翠 b.txt").write_text("cd")
    (folder / "c.exe").write_text("?")
    return folder


def test_outputs_summary_and_ledger_of_a_stage_run_alone(texts: Path, tmp_path: Path) -> None:
    done = run(
        "--texts", texts, "--copies", tmp_path / "out", "--times", "2", "--upper", "true", VOICEMILL_SPEAKER="lj"
    )
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "a.txt": "ABAB",
        "翠 b.txt": "CDCD",
    }
    summary = json.loads(done.stdout)
    assert summary["stage"] == "copy-stage" and summary["speaker"] == "lj"
    assert (summary["in"], summary["kept"], summary["dropped"], summary["seconds"]) == (3, 2, 1, 3.0)
    rows = [json.loads(line) for line in (tmp_path / "out.ledger.jsonl").read_text().splitlines()]
    assert [row["item"] for row in rows if row["outcome"] == "kept"] == ["a.txt", "翠 b.txt"]
    dropped = next(row for row in rows if row["outcome"] == "dropped")
    assert dropped["item"] == "c.exe" and "ending .txt" in dropped["reason"] and dropped["speaker"] == "lj"


def test_results_go_where_argo_asks_for_them(texts: Path, tmp_path: Path) -> None:
    pairs = ["--result", f"copied={tmp_path / 'r' / 'copied'}", "--result", f"error_rate={tmp_path / 'r' / 'rate'}"]
    done = run(
        *["--texts", texts, "--copies", tmp_path / "out", *pairs],
        *["--summary", tmp_path / "r" / "summary.json", "--ledger", tmp_path / "r" / "ledger.jsonl"],
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r" / "copied").read_text() == "2" and (tmp_path / "r" / "rate").read_text() == "0.25"
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["copied"] == 2
    assert len((tmp_path / "r" / "ledger.jsonl").read_text().splitlines()) == 3
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("fail", "code", "sentence"),
    [
        ("bug", 1, "index 7 is out of bounds"),
        ("input", 65, "a.txt is empty; write something into it"),
        ("model", 66, "no model"),
        ("disk", 73, "disk is full"),
        ("weights", 73, "disk is full"),
        pytest.param("checkpoint", 73, "disk is full", marks=needs_full_device),
        ("again", 75, "S3 cannot be reached"),
        ("ecc", 75, "the GPU failed on the node gpu-7: CUDA error: uncorrectable ECC"),
        ("gpu", 77, "out of memory"),
        ("ctranslate", 77, "out of memory"),
        ("host", 77, "out of memory"),
    ],
)
def test_each_kind_of_failure_has_its_exit_code_and_leaves_no_half_output(
    texts: Path, tmp_path: Path, fail: str, code: int, sentence: str
) -> None:
    word = tmp_path / "termination-log"
    word.touch()
    told = {"VOICEMILL_TERMINATION_LOG": str(word), "VOICEMILL_NODE": "gpu-7"}
    done = run("--texts", texts, "--copies", tmp_path / "out", "--fail", fail, **told)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert sentence in word.read_text() and "\n" not in word.read_text().strip()
    word.unlink()
    assert ("Traceback" in done.stderr) == (code in (1, 77))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ledger.jsonl", "texts"]
    assert len((tmp_path / "out.ledger.jsonl").read_text().splitlines()) == 3, "what led to the failure is on record"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--times", "0"], "must be at least 1 and at most 9, not 0"),
        (["--times", "many"], "must be a whole number, not 'many'"),
        (["--upper", "perhaps"], "must be true or false"),
        (["--ending", "crlf"], "must be one of none, lf, not 'crlf'"),
        (["--speed", "nan"], "must be a finite number, not nan"),
        (["--speed", "inf"], "must be a finite number, not inf"),
        (["--models", "/no/models"], "--models: /no/models does not exist"),
        (["--tempo", "2"], "No such option"),
        (["--result", "weight=/tmp/x"], "does not declare the result weight"),
    ],
)
def test_a_wrong_option_ends_64_and_says_what_is_allowed(
    texts: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = run("--texts", texts, "--copies", tmp_path / "out", *arguments)
    assert done.returncode == 64
    assert sentence in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_input_ends_64_and_a_missing_optional_one_is_none(texts: Path, tmp_path: Path) -> None:
    assert run("--texts", tmp_path / "none", "--copies", tmp_path / "out").returncode == 64
    # A pod finds an empty folder where an optional S3 key has nothing under it.
    (tmp_path / "empty").mkdir()
    for absent in ("none", "empty"):
        done = run("--texts", texts, "--copies", tmp_path / "out", "--glossary", tmp_path / absent, "--limit", "")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["glossary"] is False and json.loads(done.stdout)["limit"] is None
    done = run("--texts", texts, "--copies", tmp_path / "out", "--glossary", texts, "--limit", "7")
    assert json.loads(done.stdout)["glossary"] is True and json.loads(done.stdout)["limit"] == 7


def test_too_little_kept_is_a_failure_that_gives_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "c.exe").touch()
    done = run("--texts", tmp_path / "texts", "--copies", tmp_path / "out")
    assert done.returncode == 65
    assert "0 texts left, at least 1 needed (1 dropped; the first: c.exe: c.exe is not a text" in done.stderr


def test_help_shows_the_docstring_the_defaults_and_the_choices() -> None:
    done = run("--help")
    assert done.returncode == 0
    for words in (
        "Copy texts.",
        "--times",
        "How often each text is repeated.",
        "[default: 1]",
        "[none|lf]",
        "true|false",
    ):
        assert words in done.stdout, done.stdout
    assert "--ledger" not in done.stdout


def test_progress_is_written_for_argo(texts: Path, tmp_path: Path) -> None:
    done = run("--texts", texts, "--copies", tmp_path / "out", ARGO_PROGRESS_FILE=str(tmp_path / "progress"))
    assert done.returncode == 0 and (tmp_path / "progress").read_text() == "3/3"


def test_a_terminal_gets_a_bar_and_the_log_above_it(texts: Path, tmp_path: Path) -> None:
    terminal, ours = os.openpty()
    command = [*COMMAND, "--texts", str(texts), "--copies", str(tmp_path / "out")]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, stderr=ours, stdout=subprocess.DEVNULL, check=False)
    os.close(ours)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    text = shown.decode()
    assert done.returncode == 0, text
    assert "copying" in text and "3/3" in text and "dropped c.exe" in text


def test_logs_are_json_lines_with_stage_and_speaker_when_asked_for(texts: Path, tmp_path: Path) -> None:
    arguments = ["--texts", texts, "--copies", tmp_path / "out", "--fail", "bug"]
    done = run(*arguments, VOICEMILL_LOG="json", VOICEMILL_SPEAKER="lj")
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(row["stage"] == "copy-stage" and row["speaker"] == "lj" for row in rows)
    assert [row["level"] for row in rows] == ["warning", "error"]
    assert "ValueError" in rows[-1]["traceback"]


def test_logs_have_opentelemetrys_names_when_asked_for(texts: Path, tmp_path: Path) -> None:
    arguments = ["--texts", texts, "--copies", tmp_path / "out", "--fail", "bug"]
    done = run(*arguments, VOICEMILL_LOG="otel", VOICEMILL_SPEAKER="lj", VOICEMILL_WORKFLOW="clone-voice-1")
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    about = {"voicemill.run": "clone-voice-1", "voicemill.stage": "copy-stage", "voicemill.speaker": "lj"}
    assert all(row["Attributes"].items() >= about.items() for row in rows)
    assert [(row["SeverityText"], row["SeverityNumber"]) for row in rows] == [("WARNING", 13), ("ERROR", 17)]
    assert "ValueError" in rows[-1]["Attributes"]["exception.stacktrace"] and "failed unexpectedly" in rows[-1]["Body"]


def start(state: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--numbers", str(out), "--state", str(state)],
        cwd=REPOSITORY,
        env={**os.environ, "STAGE": "count"},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sigterm_saves_what_can_be_resumed_ends_75_and_the_next_try_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path / "state", tmp_path / "out")
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 75, errors
    assert int((tmp_path / "state" / "step").read_text()) > 0
    assert not (tmp_path / "out").exists()
    (tmp_path / "state" / "step").write_text("199")
    process = start(tmp_path / "state", tmp_path / "out")
    process.communicate(timeout=20)
    assert process.returncode == 0 and (tmp_path / "out" / "last").read_text() == "200"


def test_sigterm_stops_a_stage_without_state_at_once_with_75(texts: Path, tmp_path: Path) -> None:
    arguments = [*COMMAND, "--texts", str(texts), "--copies", str(tmp_path / "out"), "--fail", "sleep"]
    process = subprocess.Popen(arguments, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == 75
    assert not list(tmp_path.glob(".out.*")), "the partial output is gone"


def test_a_retry_after_out_of_memory_halves_the_micro_batch(texts: Path, tmp_path: Path) -> None:
    def divisor(**environment: str) -> int:
        done = run("--texts", texts, "--copies", tmp_path / "out", **environment)
        return json.loads(done.stdout)["divisor"]

    assert divisor() == 1
    assert divisor(VOICEMILL_RETRIES="2", VOICEMILL_LAST_EXIT_CODE="77") == 4
    assert divisor(VOICEMILL_RETRIES="2", VOICEMILL_LAST_EXIT_CODE="75") == 1
    assert {"VOICEMILL_RETRIES", "VOICEMILL_LAST_EXIT_CODE"} == set(retries.ENVIRONMENT)


def test_leftovers_of_a_killed_try_are_removed_and_old_output_replaced(texts: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.0badf00d.partial").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    assert run("--texts", texts, "--copies", tmp_path / "out").returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "翠 b.txt"]
    assert not list(tmp_path.glob(".out.*"))


def test_the_code_version_follows_what_the_stage_imports_and_nothing_else() -> None:
    assert code_version("voicemill.contract") == code_version("voicemill.contract")
    assert code_version("voicemill.contract") != code_version("voicemill.dataset.labels")
    assert len({code_version("voicemill.core.errors"), code_version("voicemill.core.logs")}) == 2
