import pytest

from voicemill.text import english
from voicemill.text.english import dictionary


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$19.99", "nineteen dollars and ninety-nine cents"),
        ("March 3rd, 2024", "March third, twenty twenty-four"),
        ("in 1987, 2005 and 1900", "in nineteen eighty-seven, two thousand five and nineteen hundred"),
        ("1,234,567", "one million, two hundred thirty-four thousand, five hundred sixty-seven"),
        ("1/2 and 3/4", "one half and three fourths"),
        ("3.14", "three point one four"),
        ("45%", "forty-five percent"),
        ("NASA", "N A S A"),
        ("café", "cafe"),
        ("e.g. this", "for example this"),
        ("9" * 40, " ".join(["nine"] * 40)),
    ],
)
def test_figures_are_written_out(written: str, spoken: str):
    assert english.normalize(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("at 10:45 a.m. sharp", "at ten forty-five A M sharp"),
        ("3:00 PM", "three P M"),
        ("The 1990s and the '80s", "The nineteen nineties and the eighties"),
        ("won 3:2", "won three to two"),
        ("to -12 degrees", "to negative twelve degrees"),
        ("70kg and 5 km", "seventy kilograms and five kilometers"),
        ("It’s", "It's"),
        ("stop; go: now", "stop, go, now"),
        ("$5 million", "five million dollars"),
        ("€5.50", "five euros and fifty cents"),
        ("one\ntwo", "one two"),
        ("Tom & Ann", "Tom and Ann"),
    ],
)
def test_what_the_reference_misreads_is_mended(written: str, spoken: str):
    assert english.normalize(english.preprocess(written)) == spoken


@pytest.mark.parametrize(
    ("sentence", "word", "phones"),
    [
        ("I read it yesterday .", "read", "R EH1 D"),
        ("Please read it .", "read", "R IY1 D"),
        ("We record a song .", "record", "R IH0 K AO1 R D"),
        ("Play the record .", "record", "R EH1 K ER0 D"),
        ("It is close .", "close", "K L OW1 S"),
        ("Close the door .", "Close", "K L OW1 Z"),
        ("They will present it .", "present", "P R IY0 Z EH1 N T"),
    ],
)
def test_homographs_are_told_apart_by_their_neighbours(sentence: str, word: str, phones: str):
    from voicemill.text.english.tagging import tag

    words = sentence.split()
    assert " ".join(dictionary.pronounce(word, tag(words)[words.index(word)])) == phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("Hello", "HH AH0 L OW1"),
        ("A", "EY1"),
        ("xyz", "EH1 K S W AY1 Z IY1"),
        ("frobnicate's", "F R AA1 B N AY1 K EY2 T S"),
        ("pytorch", "P AY1 T AO1 R CH"),
    ],
)
def test_words(word: str, phones: str):
    assert " ".join(dictionary.pronounce(word, "NN")) == phones


@pytest.mark.parametrize(("word", "phones"), [("gpu", "JH IY1 P IY1 Y UW1"), ("wto", "D AH1 B AH0 L Y UW0 T IY1 OW1")])
def test_a_short_word_is_spelled_where_no_word_begins_so(word: str, phones: str):
    assert " ".join(dictionary.pronounce(word, "NN")) == phones
