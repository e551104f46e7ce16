from pathlib import Path

import pytest

from voicemill.errors import InputError
from voicemill.text import Lexicon, phonemize

ROWS = """word,language,reading
行长,,xing2 zhang3
Voicemill,en,B AA1 Z UW1
香港,yue,hoeng1 gong2
東京,ja,とうきょう
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    path = tmp_path / "lexicon.csv"
    path.write_text(ROWS, encoding="utf-8")
    return Lexicon.read(path)


def test_a_chinese_word_is_said_the_user_s_way_and_its_neighbours_as_before(lexicon: Lexicon):
    with_it = phonemize("银行行长来了", "zh", lexicon=lexicon)
    without = phonemize("银行行长来了", "zh")
    assert with_it.phones[4:8] == ["x", "ing2", "zh", "ang3"]
    assert with_it.phones[:4] + with_it.phones[8:] == without.phones[:4] + without.phones[8:]
    assert with_it.word2ph == without.word2ph


def test_an_english_word_counts_whatever_its_case_and_only_whole(lexicon: Lexicon):
    phones = "B AA1 Z UW1"
    assert phones in " ".join(phonemize("This is VOICEMILL now.", "en", lexicon=lexicon).phones)
    assert phones not in " ".join(phonemize("Some voicemillers came.", "en", lexicon=lexicon).phones)


def test_other_languages_have_words_of_their_own(lexicon: Lexicon):
    assert phonemize("香港", "yue", lexicon=lexicon, lead_in=False).phones == ["Yh", "Yoeng1", "Yg", "Yong2"]
    assert phonemize("東京へ行く", "ja", lexicon=lexicon).phones[:3] == ["t", "o", "["]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("word,reading\n你好,ni3\n", "2 characters.*1 syllables"),
        ("word,reading\n你好,ni9 hao3\n", "no reading"),
        ("word,reading\n,x\n", "line 2"),
        ("word,reading\n123,HH\n", "fill in the column"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, rows: str, message: str):
    path = tmp_path / "lexicon.csv"
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Lexicon.read(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="none.csv"):
        Lexicon.read(tmp_path / "none.csv")
