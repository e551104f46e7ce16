"""What of a text and a path a parameter holds is decided in one place, and never silently against the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicemill.core.errors import UsageError
from voicemill.core.text_or_path import path_in, problem_of


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Good morning.",
        "Two is {{=1+1}} now.",
        "He and/or she walks.",
        "他/她走了。",
        "Read lines.txt aloud, please",
        "/ is a slash",
        "s3://bucket is an address",
        "One.\n/no/lines.txt",
        "word " * 2000,
        "x" * 5000,
        "nul\0byte",
        "~nobody-of-this-name",
    ],
)
def test_a_text_is_a_text(text: str, tmp_path: Path) -> None:
    assert path_in(text, tmp_path) is None


@pytest.mark.parametrize(
    "path",
    ["/no/lines.txt", "/no/my lines", "./lines", "../lines", "~/lines", "no/lines", "no.txt", "台词.TXT", "a.jsonl"],
)
def test_what_looks_like_a_path_and_is_not_there_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="looks like a path and is not there"):
        path_in(path, tmp_path)


def test_a_path_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "my lines").write_text("One.")
    (tmp_path / "folder").mkdir()
    assert path_in("my lines", tmp_path) == str(tmp_path / "my lines")
    assert path_in("s3://bucket/lines.txt") == "s3://bucket/lines.txt"
    assert path_in("folder", tmp_path) is None, "a word that happens to be a folder's name"
    assert "is a folder" in problem_of("./folder", tmp_path)
