"""A stage that was given a GPU says how long it held it, over its tries; others say nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.copy_stage import copy_texts
from voicemill.contract.gpu_use import ENGINE_GPUS
from voicemill.contract.template import KEYS
from voicemill.core.hardware import GPU_GIVEN
from voicemill.engine.container import GPUS
from voicemill.storage import open_store


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("ah")
    return folder


def rows_of(texts: Path, *options: str, code: int = 0) -> list[dict[str, Any]]:
    """The ledger of a run of the stage."""
    out = texts.parent / "out"
    words = ["--texts", str(texts), "--copies", str(out / "copies"), "--ledger", str(out / "ledger.jsonl")]
    assert copy_texts.run([*words, "--summary", str(out / "summary.json"), *options]) == code
    return [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("given", [GPU_GIVEN, ENGINE_GPUS])
def test_the_ledger_and_the_summary_say_class_and_seconds(
    texts: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, "0")
    first, second = rows_of(texts)
    summary = json.loads((texts.parent / "out" / "summary.json").read_text())
    assert first["gpu_class"] == second["gpu_class"] == summary["gpu_class"] == "training"
    assert 0 < first["gpu_seconds"] == second["gpu_seconds"] == summary["gpu_seconds"]
    assert ENGINE_GPUS == GPUS, "what the engine says is what a stage reads"


def test_without_a_gpu_nothing_is_said(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_GPUS, "")
    assert not any(name.startswith("gpu") for row in rows_of(texts) for name in row)


def test_a_try_that_failed_counts_in_the_next_one(texts: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {GPU_GIVEN: "6Gi", "S3_BUCKET": bucket, KEYS: "voices/anna/one", "VOICEMILL_RETRIES": "0"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    failed = rows_of(texts, "--fail", "again", code=75)
    assert failed[0]["gpu_seconds"] > 0
    failed[0]["gpu_seconds"] = 5000.0
    ledger = json.dumps(failed[0]) + "\n"
    open_store("s3:///voices/anna/one").write(f"ledgers/{copy_texts.name}.jsonl", ledger.encode())
    assert rows_of(texts)[0]["gpu_seconds"] < 5000, "the first try of a run that is begun again"
    monkeypatch.setenv("VOICEMILL_RETRIES", "1")
    assert rows_of(texts)[0]["gpu_seconds"] > 5000


def test_a_bucket_that_does_not_answer_hides_the_tries_before_and_stops_nothing(
    texts: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {GPU_GIVEN: "6Gi", "S3_BUCKET": "no-such-bucket", KEYS: "voices/anna/one", "VOICEMILL_RETRIES": "1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert rows_of(texts)[0]["gpu_seconds"] > 0
