"""Subtitles: cues of whole sentences, lines that fit, and the three formats."""

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemill.synthesis import subtitles
from voicemill.synthesis.subtitles import LINE_CHARACTERS, LONGEST_SECONDS, Word, columns, cues, ends_sentence, joined


def spoken(text: str, pace: float = 0.3) -> list[Word]:
    """Words one after the other; characters of Chinese one by one."""
    parts = re.findall(r"[「『“(]?[\u3040-\u9fff][，。！？、」』”…]*|\s+|[^\s\u3040-\u9fff]+", text)
    words: list[Word] = []
    spaced = False
    for part in parts:
        if part.isspace():
            spaced = True
            continue
        at = len(words) * pace
        words.append(Word(part, at, at + 0.9 * pace, spaced))
        spaced = False
    return words


def texts(text: str, pace: float = 0.3) -> list[str]:
    return [joined(cue.words) for cue in cues([spoken(text, pace)])]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Good morning. How are you?", ["Good morning.", "How are you?"]),
        ("Dr. Smith met Mrs. Jones. They left.", ["Dr. Smith met Mrs. Jones.", "They left."]),
        ("It costs 3.50 or so. Yes.", ["It costs 3.50 or so.", "Yes."]),
        ("J. R. R. Tolkien wrote it.", ["J. R. R. Tolkien wrote it."]),
        ('"Really?" she asked. "No!"', ['"Really?" she asked.', '"No!"']),
        ("See p. 5, i.e. the end. Done.", ["See p. 5, i.e. the end.", "Done."]),
        ("Well... I think so.", ["Well...", "I think so."]),
        ("He lives in the U.S. now.", ["He lives in the U.S. now."]),
        ("She and I. Nobody else.", ["She and I.", "Nobody else."]),
        ("No. I will not.", ["No.", "I will not."]),
        ("At 5 p.m. Anna came.", ["At 5 p.m.", "Anna came."]),
        ("你好。今天好吗？", ["你好。", "今天好吗？"]),
        ("他说「走吧！」我们走了。", ["他说「走吧！」", "我们走了。"]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, sentences: list[str]):
    assert [joined(sentence) for sentence in subtitles.sentences(spoken(text))] == sentences


def test_a_dot_ends_a_sentence_at_the_end_of_the_text_whatever_stands_before_it():
    assert ends_sentence("etc.")
    assert ends_sentence("Dr.")
    assert not ends_sentence("etc.", "and")
    assert not ends_sentence("word", "Next")


def test_a_long_sentence_is_broken_at_a_mark_first():
    text = (
        "When the mill had ground the last of the corn that the farmers had brought, "
        "the miller shut the heavy wooden door behind him, and went home."
    )
    found = texts(text, 0.2)
    assert " ".join(found) == text
    assert all(part.endswith((",", ".")) for part in found)
    assert len(found) > 1


def test_no_cue_is_longer_than_seven_seconds_or_wider_than_two_lines():
    shown = cues([spoken("word " * 60 + "end.", 0.5)])
    for cue in shown:
        assert cue.words[-1].end - cue.words[0].start <= LONGEST_SECONDS
        rows = cue.text.split("\n")
        assert len(rows) <= 2
        assert max(map(columns, rows)) <= LINE_CHARACTERS


def test_chinese_breaks_between_characters_and_no_line_begins_with_a_mark():
    text = "今天下午我们一起去城里最老的那家茶馆喝茶，然后沿着河边走回家，路上还买了一些刚出炉的面包和水果。"
    for cue in cues([spoken(text, 0.15)]):
        for row in cue.text.split("\n"):
            assert columns(row) <= LINE_CHARACTERS
            assert row[0] not in "，。！？、」』”…"
    assert "".join(texts(text, 0.15)) == text


def test_two_lines_of_a_cue_are_about_even():
    (cue,) = cues([spoken("The old mill by the river has been grinding corn for years.", 0.2)])
    upper, lower = cue.text.split("\n")
    assert abs(len(upper) - len(lower)) <= 8


def test_cues_do_not_overlap_and_short_ones_stay_a_second():
    words = [Word("Yes.", 0.0, 0.2), Word("No.", 3.0, 3.1), Word("Go.", 3.4, 3.6)]
    shown = cues([words])
    assert [(round(cue.start, 2), round(cue.end, 2)) for cue in shown] == [(0.0, 1.0), (3.0, 3.36), (3.4, 4.4)]


def test_a_cue_never_has_words_of_two_lines():
    first, second = spoken("A heading"), [Word("and", 1.0, 1.2, False), Word("more.", 1.2, 1.5)]
    assert [joined(cue.words) for cue in cues([first, second])] == ["A heading", "and more."]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "river", "Dr.", "3.5", "boats,", "end.", "今", "天。", "x" * 50, "(see", "it)"]),
        min_size=1,
    ),
    st.floats(0.05, 3),
)
def test_every_word_is_shown_once_in_order_and_time_moves_on(parts: list[str], pace: float):
    words = [Word(part, at * pace, (at + 1) * pace) for at, part in enumerate(parts)]
    shown = cues([words])
    assert [word for cue in shown for word in cue.words] == words
    for before, after in itertools.pairwise(shown):
        assert before.start < before.end <= after.start
    assert "".join("".join(cue.text.split()) for cue in shown) == "".join(parts)


def test_the_three_formats(tmp_path: Path):
    words = [Word("Salt", 0.5, 0.8, False), Word("&", 0.8, 1.0), Word("<pepper>.", 1.0, 3661.25)]
    subtitles.write_all(tmp_path / "book.m4b", [words[:2], words[2:]])
    assert (tmp_path / "book.srt").read_text() == (
        "1\n00:00:00,500 --> 00:00:01,000\nSalt &\n\n2\n00:00:01,000 --> 01:01:01,250\n<pepper>.\n"
    )
    assert (tmp_path / "book.vtt").read_text() == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.000\nSalt &amp;\n\n00:00:01.000 --> 01:01:01.250\n&lt;pepper&gt;.\n"
    )
    first = json.loads((tmp_path / "book.json").read_text())["cues"][0]
    assert first == {
        "text": "Salt &",
        "start": 0.5,
        "end": 1.0,
        "words": [{"text": "Salt", "start": 0.5, "end": 0.8}, {"text": "&", "start": 0.8, "end": 1.0}],
    }


def test_words_of_a_manifest_know_where_spaces_stand():
    rows = [{"text": text, "start": at, "end": at + 1.0} for at, text in enumerate(["Go", "东", "京,", "now."])]
    words = subtitles.words_of("Go 东京, now.", rows)
    assert joined(words) == "Go 东京, now."
