import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.synthesis.fragments import batches, fragments, full_stop, unpronounced, without_bert


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 12), st.booleans())
def test_every_fragment_is_in_one_batch_and_none_is_too_large(lengths: list[int], size: int, sort: bool):
    groups = batches(lengths, size, sort=sort)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(1 <= len(group) <= size for group in groups)


def test_a_long_fragment_does_not_hold_up_short_ones():
    assert batches([10, 11, 200, 12], 4) == [[0, 1, 3], [2]]
    assert batches([10, 11, 200, 12], 4, sort=False) == [[0, 1, 2, 3]]


def test_a_line_becomes_phones_with_a_bert_row_each():
    spoken = fragments("Good morning, everyone. It rains.", "en", "cut5", "v2", without_bert)
    assert [fragment.text.strip() for fragment in spoken] == ["Good morning,", "everyone.", "It rains."]
    assert all(fragment.bert_CX.shape == (1024, len(fragment.phones)) for fragment in spoken)


@pytest.mark.parametrize("text", ["", "\n", "...", "！？", "— —"])
def test_a_line_with_nothing_to_say_is_refused(text: str):
    with pytest.raises(InputError, match="nothing to speak"):
        fragments(text, "auto", "cut5", "v2", without_bert)


def test_a_line_that_nobody_can_pronounce_is_refused():
    with pytest.raises(InputError, match="pronounced"):
        fragments("שלום עולם", "en", "cut5", "v2", without_bert)
    with pytest.raises(InputError, match=r"pronounced .*'🙂' \(U\+1F642\) at 0"):
        fragments("🙂", "en", "cut5", "v2", without_bert)


def test_what_is_not_heard_is_told():
    line = "It rains. 🙂! I like it 🙂 a lot."
    spoken = fragments(line, "en", "cut5", "v2", without_bert)
    assert [(sign.character, sign.position) for sign in unpronounced(line, spoken)] == [("🙂", 10), ("🙂", 23)]


def test_a_prompts_text_is_closed_once():
    assert full_stop("Hello", "en") == "Hello."
    assert full_stop("你好", "zh") == "你好。"
    assert full_stop("Hello!\n", "en") == "Hello!"
    assert full_stop("", "en") == ""
