"""Prose is wrapped, and nothing else is touched."""

from __future__ import annotations

from scripts.prose import LONGEST, wrapped

LONG = "word " * 40


def test_a_long_paragraph_is_wrapped_and_a_short_one_is_not() -> None:
    text = f"Short\nlines stay.\n\n{LONG.strip()}\n"
    better = wrapped(text)
    assert better.startswith("Short\nlines stay.\n\n") and better.split() == text.split()
    assert max(map(len, better.splitlines())) <= LONGEST


def test_tables_code_headings_and_links_stay() -> None:
    text = f"# {LONG}\n\n| {LONG} |\n| --- |\n\n    {LONG}\n\n```text\n{LONG}\n```\n\n![{LONG}](a.svg)\n"
    assert wrapped(text) == text


def test_list_items_keep_their_indent_and_code_its_spaces() -> None:
    text = f"- **One.** {LONG}`a b c`\n  {LONG.strip()}\n- two\n\n      {LONG}\n"
    lines = wrapped(text).splitlines()
    assert lines[0].startswith("- **One.**") and lines[1].startswith("  word") and "`a b c`" in "\n".join(lines)
    assert "- two" in lines and lines[-1] == f"      {LONG}"
    assert wrapped("\n".join(lines)) == "\n".join(lines)
