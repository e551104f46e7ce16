"""Words that the project has given up are found, with what to write instead; the tree is free of them."""

from pathlib import Path

import pytest

from scripts import check_words


@pytest.mark.parametrize(
    ("text", "word", "instead"),
    [
        ("language 'xx' is none of zh, en", "is none of", "unknown X"),
        ("training goes on from epoch 3", "goes on from", "resume from"),
        ("x = at_hand(models)", "at_hand", "resolve_local"),
    ],
)
def test_a_word_that_was_given_up_is_found_with_its_replacement(text: str, word: str, instead: str) -> None:
    assert [(line, found) for line, found, _ in check_words.findings(f"fine\n{text}\n")] == [(2, word)]
    assert instead in next(check_words.findings(text))[2]


def test_plain_english_passes() -> None:
    text = "mend a line; the run resumes from epoch 3; use one of zh, en; nobody is waiting\n"
    assert list(check_words.findings(text)) == []


def test_a_file_with_such_a_word_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("Resume from here.\nThe columns are parted by commas.\n")
    assert check_words.main([str(page)]) == 1
    assert capsys.readouterr().out == f"{page}:2: 'parted by': write separated by\n"
    page.write_text("Separate the columns by commas.\n")
    assert check_words.main([str(page)]) == 0


def test_the_tree_is_free_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_words.main([]) == 0, capsys.readouterr().out
