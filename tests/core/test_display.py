"""No name that is shown can command a terminal, reorder the text around it, or flood it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core.display import LONGEST_LINE, display, json_printable, path_text, safe_message

DANGEROUS = ["\x1b[31m", "\x1b]0;owned\x07", "\r", "\b", "\x7f", "\x9b31m", "\u202egnp", "\u2066", "\u2028", "\ud800"]


@pytest.mark.parametrize("text", DANGEROUS, ids=ascii)
def test_what_a_terminal_obeys_is_written_as_an_escape(text: str) -> None:
    for shown in (display(text), safe_message(text)):
        assert shown.isascii() and shown.isprintable()
        assert shown.startswith(("\\x", "\\u"))


def test_text_of_any_script_stays_as_it_is() -> None:
    for text in ("翠 song.wav", "café", "cafe\u0301", "हिन्दी", "👩\u200d🚀", "[red]not markup[/red]"):
        assert display(text) == safe_message(text) == text


def test_a_name_is_one_line_and_a_message_keeps_its_own_lines() -> None:
    assert display("a\nb\tc") == "a\\x0ab\\x09c"
    assert safe_message("two mistakes:\n\tone\n\ttwo") == "two mistakes:\n\tone\n\ttwo"


def test_what_is_long_is_cut_and_says_so() -> None:
    assert display("m" * 8_000_000, 20) == "m" * 19 + "…"
    assert display("\x1b" * 100, 20) == "\\x1b" * 4 + "\\x1…"
    assert safe_message("m" * 8_000_000) == "m" * (LONGEST_LINE - 1) + "…"
    assert display("e\u0301" * 10, 10) == "e\u0301" * 4 + "…"


def test_a_path_with_any_bytes_is_text() -> None:
    assert path_text(Path(os.fsdecode(b"a\xff.wav"))) == "a\\xff.wav"
    assert display(Path(os.fsdecode(b"a\xff\x1b.wav"))) == "a\\xff\\x1b.wav"


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_whatever_the_text_is_it_is_printable_and_bounded(text: str) -> None:
    shown = display(text)
    assert len(shown) <= 120
    shown.encode("utf-8")
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    message = safe_message(text)
    message.encode("utf-8")
    assert not any(c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in message)


@given(st.recursive(st.text(max_size=20), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
def test_json_stays_the_same_document(value: object) -> None:
    shown = json_printable(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
