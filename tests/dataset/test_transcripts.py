"""Rows of transcripts.json are what transcribe writes, or the file is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voicemill.core.errors import InputError
from voicemill.dataset import transcripts

ROW = {"clip": "a_0000000000_0000032000.wav", "seconds": 1.0, "language": "en", "text": "Hello.", "confidence": None}


def test_rows_are_read_with_all_they_hold(tmp_path: Path) -> None:
    (tmp_path / transcripts.NAME).write_text(json.dumps([ROW, {**ROW, "more": 1}]))
    assert transcripts.read(tmp_path) == [ROW, {**ROW, "more": 1}]


@pytest.mark.parametrize(
    "content",
    [
        {},
        [5],
        [{}],
        [{**ROW, "clip": "../a.wav"}],
        [{**ROW, "clip": "/a.wav"}],
        [{**ROW, "clip": "a/b.wav"}],
        [{**ROW, "clip": 5}],
        [{**ROW, "seconds": "1"}],
        [{**ROW, "seconds": True}],
        [{**ROW, "seconds": float("nan")}],
        [{**ROW, "text": None}],
        [{**ROW, "language": ["en"]}],
    ],
)
def test_other_rows_are_refused(content: Any, tmp_path: Path) -> None:
    (tmp_path / transcripts.NAME).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"transcripts\.json cannot be used"):
        transcripts.read(tmp_path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; transcribe again"):
        transcripts.read(tmp_path)
