"""The .list format and the table: what is read, what is refused and how it is said."""

from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.dataset.labels import Label, language_code, one_line, read, scan, write

LABELS = [
    Label("a.wav", "lj", "en", "Hello, how are you?"),
    Label("b c.wav", "说话人", "zh", "今天天气真不错，我们去公园散步吧。"),
    Label("sub/c.wav", "", "yue", ""),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x.list", LABELS)
    assert read(tmp_path / "x.list") == LABELS


def test_languages_are_written_in_capitals_as_the_reference_does(tmp_path: Path) -> None:
    write(tmp_path / "x.list", LABELS)
    assert (tmp_path / "x.list").read_text(encoding="utf-8").splitlines()[0] == "a.wav|lj|EN|Hello, how are you?"


def test_byte_order_mark_crlf_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.list"
    path.write_bytes("\ufeffa.wav|s|ZH|一\u2028二\r\n\r\n  \r\nb.wav|s|jp|こんにちは\r\n".encode())
    assert read(path) == [Label("a.wav", "s", "zh", "一\u2028二"), Label("b.wav", "s", "ja", "こんにちは")]


def test_pasted_paths_lose_quotes_marks_and_backslashes(tmp_path: Path) -> None:
    path = tmp_path / "x.list"
    path.write_text('\u202a"D:\\voices\\a.wav"|s|EN|hi\n', encoding="utf-8")
    (label,) = read(path)
    assert (label.path, label.name) == ("D:/voices/a.wav", "a.wav")


def test_every_wrong_line_is_named_and_the_right_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.list"
    rows = [
        "a.wav|s|EN|good",
        "bad line",
        "b.wav|s|EN|a bar | in the text",
        "c.wav|s|FR|bonjour",
        "|s|EN|x",
        "a.wav|s|EN|again",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    labels, problems = scan(path)
    assert [label.path for label in labels] == ["a.wav"]
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6]
    with pytest.raises(
        InputError, match=r"line 2: 1 fields.*line 3: 5 fields.*line 4: unknown language 'FR'.*line 6: a\.wav"
    ):
        read(path)


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.list"
    path.write_bytes("a.wav|s|EN|good\nb.wav|s|ZH|天气".encode("gb18030"))
    with pytest.raises(InputError, match=r"x\.list: line 2 is not UTF-8"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x.list is not there"):
        read(tmp_path / "x.list")


def test_a_table_is_told_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.csv"
    path.write_text("file|text|lang\nLJ001-0001.flac|Printing, in the only sense|en\n", encoding="utf-8")
    assert read(path) == [Label("LJ001-0001.flac", "", "en", "Printing, in the only sense")]


def test_a_bar_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot contain"):
        write(tmp_path / "x.list", [Label("a.wav", "s", "en", "a|b")])
    assert not list(tmp_path.iterdir())


def test_one_line_makes_any_text_fit() -> None:
    assert one_line(" a|b \n c\t") == "a,b c"


@pytest.mark.parametrize(("name", "code"), [("ZH", "zh"), ("En", "en"), ("JP", "ja"), ("Yue", "yue"), ("fr", None)])
def test_language_names(name: str, code: str | None) -> None:
    assert language_code(name) == code
