"""Lines to speak, as they come out of a file or a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicemill.core.errors import InputError, UsageError
from voicemill.synthesis.script import EmptyLine, Line, read_lines, read_shard, source_of, write_shard


def names_and_texts(source: Path | str) -> list[tuple[str, str]]:
    return [(line.name, line.raw) for line in read_lines(source)]


def test_empty_lines_count_but_for_those_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes("\ufeffEins.\r\n\r\n  \nVier.\n\n \n".encode())
    expected = [("0001", "Eins."), ("0002", ""), ("0003", "  "), ("0004", "Vier.")]
    assert names_and_texts(file) == names_and_texts("Eins.\r\n\r\n  \nVier.\n\n \n") == expected


def test_what_is_no_text_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(b"Good morning.\nCaf\xe9.\n")
    with pytest.raises(InputError, match=r"at byte 17\)"):
        list(read_lines(file))
    file.write_text("\n\n")
    with pytest.raises(InputError, match="has no line to speak"):
        list(read_lines(file))


def test_lines_are_a_text_or_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("One.")
    assert source_of(str(file)) == file
    assert source_of("word " * 500) == "word " * 500
    with pytest.raises(UsageError, match="no.txt looks like a path and is not there"):
        source_of(str(tmp_path / "no.txt"))


def test_a_line_names_a_voice_only_where_it_may() -> None:
    line = Line("0001", '{"text": "Hello.", "voice": "ada"}', is_json=True)
    assert line.settings("voice") == {"text": "Hello.", "voice": "ada"}
    with pytest.raises(InputError, match="sets voice; it can set text, language, speed, seed"):
        line.settings()
    with pytest.raises(EmptyLine):
        Line("0001", '{"text": " ", "voice": "ada"}', is_json=True).settings("voice")


def test_a_shards_lines_keep_their_numbers_and_settings(tmp_path: Path) -> None:
    rows = [(7, {"text": "Grüß dich.", "seed": 3}), (100_000, {"text": "Bye.", "speed": 1.5})]
    write_shard(tmp_path / "0.jsonl", rows)
    lines = list(read_shard(tmp_path / "0.jsonl"))
    assert [(int(line.name), line.settings()) for line in lines] == rows
    assert [line.name for line in lines] == ["000007", "100000"]
