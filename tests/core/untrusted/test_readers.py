"""Every reader of a file that may come from outside answers any bytes with a value or with a sentence, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.untrusted.test_hostile import CSV, JSON, REFUSED_BY_ALL, YAML
from voicemill import report
from voicemill.audio import recordings
from voicemill.audio.separation import flagged
from voicemill.batch import manifest, state
from voicemill.contract.parameters import of_run
from voicemill.core.errors import VoicemillError
from voicemill.dataset import labels, review_file, transcript_rows, transcripts
from voicemill.engine import workflow
from voicemill.evaluation import promotion_gate
from voicemill.models import record
from voicemill.proofread import access
from voicemill.synthesis import script
from voicemill.synthesis.bulk import planning
from voicemill.text.lexicon import Lexicon
from voicemill.voice.manifest import MANIFEST, read_voice

SHAPES = {
    "null": b"null",
    "number": b"5",
    "text": b'"x"',
    "list of lists": b"[[1]]",
    "list of null": b"[null]",
    "object": b"{}",
    "objects": b'{"a": {"b": null}}',
    "format list": b'{"format": [1]}',
    "format alone": b'{"format": 1}',
    "shards": b'{"lines": 1, "empty": 0, "shards": [{"shard": "../x", "speaker": "a", "place": "b", "lines": 1}]}',
    "rows of numbers": b'{"format": 1, "rows": [5]}',
    "text that is a list": b'[{"clip": "a.wav", "seconds": 1, "language": "en", "text": ["a"]}]',
    "line": b'{"text": "a", "speed": NaN}',
    "long integer in a line": b'{"text": "a", "seed": 99999999999999999999999}',
    "reviewers of numbers": b"reviewers: [5]",
    "reviewer whose name is a list": b"reviewers:\n- name: [1]\n  voices: [x]\n",
    "reviewer whose digest is a number": b"reviewers:\n- name: a\n  token-sha256: 5\n  voices: [x]\n",
    "reviewer with dates": b"reviewers:\n- name: a\n  token: 2026-01-01 10:00:00\n  voices: [2026-01-01]\n",
    "workflow without a map": b"kind: Workflow\nspec: 5\n",
    "workflow with a name for metadata": b"kind: Workflow\nmetadata: x\nspec: {entrypoint: a, templates: 5}\n",
    "workflow of numbers": b"kind: Workflow\nspec: {entrypoint: a, templates: [5]}\n",
    "workflow with lists for tasks": b"kind: Workflow\nspec: {templates: [{name: a, dag: {tasks: [[1]]}}]}\n",
    "workflow with steps of numbers": b"kind: Workflow\nspec: {entrypoint: a, templates: [{name: a, steps: [[1]]}]}\n",
    "workflow with a truth for a command": (
        b"kind: Workflow\nspec:\n  entrypoint: a\n  templates: [{name: a, container: {image: i, command: [true]}}]\n"
        b"  arguments: {parameters: [5]}\n"
    ),
    "pairs of numbers": b'{"pairs": [5], "best": 5}',
    "pairs without measures": b'{"pairs": [{"sovits": "a", "gpt": "b"}, {"sovits": "a", "gpt": "c", "error_rate": 1}]}',
    "clips of other types": b'[{"clip": 5, "seconds": "x", "flags": 5}]',
    "clips of unknown fields": b'[{"clip": "a.wav", "seconds": 1, "more": {}}]',
    "measures of two kinds": b'{"a": {"denoise": true, "ovrl": "x"}, "b": {}}',
    "metrics without steps": b'{"loss": 1}\n{"step": "x", "loss": 2}\n{"step": [1], "loss": []}',
    "events of other types": b'{"time": "x"}\n{"time": 1}\n{"time": 1, "event": "task", "task": ["a"]}',
    "files elsewhere": b'{"file": "../../etc/passwd", "text": "a"}',
    "reference elsewhere": b'{"reference": {"text": "a", "file": "/etc/passwd"}}',
    "speaker of a verdict": b'{"outcome": "first", "speaker": "../a", "alias": "b", "new": {"version": "../c"}}',
    "parameters without names": b'[{"value": 5}]',
    "lexicon of a pattern": b"word,reading\n(a+)+$,K AE1 T\n",
    "lexicon of NUL": b"word,reading\r\n\x00,\x00\r\n",
}
BLOBS = {**JSON, **YAML, **CSV, **REFUSED_BY_ALL, **SHAPES}


def file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def table_beside_a_list(folder: Path, content: bytes) -> object:
    file(folder, "transcripts.list", b"")
    file(folder, transcripts.NAME, content)
    return transcript_rows.read_rows(folder)


def named(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    """A reader of the folder in which a file of this name is."""

    def reader(folder: Path, content: bytes) -> object:
        file(folder, name, content)
        return read(folder)

    return reader


def in_a_report(field: str, name: str) -> Callable[[Path, bytes], object]:
    """The report of a run that left this file; `field` is what the report calls the folder or the file itself."""

    def reader(folder: Path, content: bytes) -> object:
        path = file(folder, name, content)
        return report.build(report.Run(**{field: path if field == "measures" else folder}))

    return reader


READERS: dict[str, Callable[[Path, bytes], object]] = {
    "labels": lambda folder, content: labels.scan(file(folder, "a.list", content)),
    "lexicon": lambda folder, content: Lexicon.read(file(folder, "lexicon.csv", content)),
    "manifest.csv": lambda folder, content: manifest.read(file(folder, "m.csv", content)),
    "manifest.jsonl": lambda folder, content: manifest.read(file(folder, "m.jsonl", content)),
    "reviewers": lambda folder, content: access.read_reviewers(file(folder, "r.yaml", content)),
    "approved": lambda folder, content: review_file.read_approved(file(folder, "approved.json", content)),
    "transcripts": table_beside_a_list,
    "voice": named(MANIFEST, read_voice),
    "lines": lambda folder, content: [line.settings() for line in script.read_lines(file(folder, "l.jsonl", content))],
    "shard": lambda folder, content: list(script.read_shard(file(folder, "s.jsonl", content))),
    "plan": named("plan.json", planning.read_plan),
    "models": named(record.NAME, record.read),
    "recordings": named(recordings.MANIFEST, recordings.read_manifest),
    "batch": named("batch.json", state.read_batch),
    "outcome of a run": named("outcome.json", state.outcome_of),
    "events of a run": lambda folder, content: state.replay(file(folder, "run.jsonl", content)),
    "verdict": lambda folder, content: promotion_gate.read(file(folder, "verdict.json", content)),
    "measures": lambda folder, content: flagged({"a": folder}, file(folder, "measures.json", content), "denoise"),
    "parameters of a run": lambda folder, content: of_run(content.decode(errors="replace")),
    "ledgers in a report": in_a_report("ledgers", "ledger.jsonl"),
    "transcripts in a report": in_a_report("transcripts", "transcripts.json"),
    "evaluation in a report": in_a_report("evaluation", "evaluation.json"),
    "measures in a report": in_a_report("measures", "measures.json"),
    "voice in a report": in_a_report("voice", "voice.json"),
    "lineage in a report": in_a_report("voice", "lineage.json"),
    "metrics in a report": in_a_report("sovits", "metrics.jsonl"),
    "speech in a report": in_a_report("speech", "manifest.jsonl"),
    "workflow": lambda folder, content: workflow.load(str(file(folder, "w.yaml", content))),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_answers_any_bytes_in_a_sentence(reader: str, tmp_path: Path) -> None:
    for name, content in BLOBS.items():
        start = time.process_time()
        try:
            READERS[reader](tmp_path, content)
        except VoicemillError as error:
            assert str(error).replace("\n", "").replace("\t", "").isprintable(), name
            assert len(str(error)) < 2_000, name
        assert time.process_time() - start < 5, name
