"""However odd a text is, reading it costs in proportion to its length, ends without an error, and loses nothing."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.text import WORST, worst_case
from voicemill.text import blocks, phonemize, symbols

ROUTES = ("zh", "yue", "en", "ja", "ko", "auto")
BLOCK = 100
"""Longest block in these tests, which is enough to see that work does not grow beyond one."""


def steps(text: str, route: str) -> int:
    """Calls of functions, Python's and C's, that reading a text takes."""
    count = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on_event)
    try:
        phonemize(text, route)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", WORST)
def test_a_text_twice_as_long_takes_about_twice_as_many_steps(name: str, route: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "LONGEST", BLOCK)
    phonemize(worst_case(name, BLOCK), route)  # dictionaries are read on first use
    once, twice = (steps(worst_case(name, size), route) for size in (3 * BLOCK, 6 * BLOCK))
    assert twice <= 2.5 * once


@pytest.mark.parametrize("route", ROUTES)
def test_what_cannot_be_read_is_reported_however_much_it_is(route: str):
    emoji = phonemize("a" + "\U0001f600" * 2000 + "b", route)
    assert [silent.position for silent in emoji.unpronounced] == list(range(1, 2001))
    halves = phonemize("a\ud83d b\ude00", route)
    assert [(silent.character, silent.position) for silent in halves.unpronounced] == [("\ufffd", 1), ("\ufffd", 4)]
    halves.norm_text.encode()


@pytest.mark.parametrize("route", ROUTES)
def test_every_digit_of_an_endless_number_is_said(route: str):
    phonemes = phonemize("7" * 5000, route)
    silent = {*symbols.PUNCTUATION, symbols.UNKNOWN, symbols.PAD, "[", "]"}
    assert len([phone for phone in phonemes.phones if phone not in silent]) >= 2 * 5000
    assert phonemes.unpronounced == []


@given(text=st.text(st.sampled_from("字a1, 。.\nあ漢"), max_size=3000), longest=st.integers(1, 1000))
def test_blocks_are_the_text_in_pieces_of_at_most_that_length(text: str, longest: int):
    pieces = list(blocks.blocks(text, longest))
    assert "".join(pieces) == text
    assert all(len(piece) <= longest for piece in pieces)


def test_a_block_ends_with_a_sentence_where_there_is_one():
    text = "It costs 3.50 here. " * 100
    assert all(piece.strip().endswith(("here.", "It costs 3.50 here.")) for piece in blocks.blocks(text))
