import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core.errors import UsageError
from voicemill.text import cuts

TEXT = "今天天气很好。我们去公园玩吧！你觉得怎么样？好的，那就3.5公里。Let's go. Now."


@pytest.mark.parametrize("method", cuts.CUTS)
@given(text=st.text(max_size=1500))
def test_pieces_keep_every_letter_and_digit_in_order(method: str, text: str):
    spoken = [character for character in "".join(cuts.pieces(text, "zh", method)) if character.isalnum()]
    assert spoken == [character for character in text if character.isalnum()]


@given(text=st.text(max_size=300))
def test_without_cutting_nothing_but_newlines_and_repeated_marks_goes(text: str):
    assert cuts.cut0(text) == text or not any(character.isalnum() for character in text)


@given(text=st.text(alphabet="字a, 。.", max_size=3000))
def test_no_piece_is_longer_than_bert_can_read(text: str):
    assert all(len(piece) <= cuts.LONGEST for piece in cuts.pieces(text, "auto", "cut0"))


@given(text=st.text(max_size=2000))
def test_long_text_is_split_without_losing_a_character(text: str):
    assert "".join(cuts.split_long(text)) == text


def test_cut5_leaves_decimal_numbers_whole():
    assert "那就3.5公里。" in cuts.cut5(TEXT).split("\n")


def test_a_short_opening_gets_a_pause_in_front():
    assert cuts.pieces("你好", "zh", "cut0") == ["。你好。"]
    assert cuts.pieces("Hi!", "en", "cut0") == [".Hi!"]


def test_marks_alone_give_no_piece():
    assert cuts.pieces("……！！！", "zh", "cut5") == []


def test_an_unknown_cut_is_refused_by_name():
    with pytest.raises(UsageError, match="cut9.*cut0"):
        cuts.pieces("你好", "zh", "cut9")
