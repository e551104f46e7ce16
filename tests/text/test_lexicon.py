from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.text import Lexicon, Reading, phonemize

ROWS = """word,language,reading
行长,,xing2 zhang3
饿,zh,e4
重慶,zh,chóng qìng
Voicemill,en,B AA1 Z UW1
Boss,en,B AO1 S
GPT-4,en,Z UW1 F AO1
香港,yue,hoeng1 gong2
大阪,ja,とうきょう
Tシャツ,ja,とうきょう
카톡,ko,카카오톡
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "lexicon.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(Lexicon.read(written(tmp_path, ROWS)))


def phones(text: str, language: str, reading: Reading) -> str:
    return " ".join(phonemize(text, language, reading=reading, lead_in=False).phones)


def test_a_chinese_word_is_said_the_user_s_way_and_its_neighbours_as_before(reading: Reading):
    with_it = phonemize("银行行长来了", "zh", reading=reading)
    without = phonemize("银行行长来了", "zh")
    assert with_it.phones[4:8] == ["x", "ing2", "zh", "ang3"]
    assert with_it.phones[:4] + with_it.phones[8:] == without.phones[:4] + without.phones[8:]
    assert with_it.word2ph == without.word2ph


def test_chinese_words_may_be_traditional_and_readings_have_tone_marks(reading: Reading):
    assert phones("重庆", "zh", reading) == phones("重慶", "zh", reading) == "ch ong2 q ing4"


def test_a_syllable_that_is_a_phone_too_is_a_syllable(reading: Reading):
    assert phones("饿", "zh", reading) == "EE e4"


def test_an_english_word_counts_whatever_its_case_and_only_whole(reading: Reading):
    assert "B AA1 Z UW1" in phones("This is VOICEMILL now.", "en", reading)
    assert "B AA1 Z UW1" not in phones("Some voicemillers came.", "en", reading)


def test_an_english_word_has_a_genitive_and_may_stand_beside_a_hyphen(reading: Reading):
    assert phones("Voicemill's", "en", reading) == "B AA1 Z UW1 Z"
    assert phones("the boss's", "en", reading).endswith("B AO1 S AH0 Z")
    assert "-" not in phones("a pre-Voicemill-based thing", "en", reading)


def test_words_with_digits_or_of_two_scripts_are_found_in_a_mixed_text(reading: Reading):
    assert "Z UW1 F AO1" in phones("我在用GPT-4写稿子", "zh", reading)
    assert phones("Tシャツを買う", "ja", reading).startswith("t o ] o ky o o o UNK k a")
    text = phonemize("I use GPT-4 now", "auto", reading=reading)
    assert [segment.language for segment in text.segments] == ["en"]


def test_other_languages_have_words_of_their_own(reading: Reading):
    assert phones("香港", "yue", reading) == "Yh Yoeng1 Yg Yong2"
    assert phones("大阪へ行く", "ja", reading) == phones("東京へ行く", "ja", Reading())
    assert phones("카톡이 왔다", "ko", reading) == phones("카카오톡이 왔다", "ko", Reading())


def test_a_run_s_words_go_over_the_voice_s():
    voice = Lexicon([("行长", "", "xing2 zhang3"), ("重庆", "", "zhong4 qing4")])
    run = Lexicon([("行长", "", "hang2 chang2")])
    both = run.over(voice)
    assert len(both) == 2
    assert phones("行长", "zh", Reading(both)) == "h ang2 ch ang2"
    assert phones("重庆", "zh", Reading(both)) == "zh ong4 q ing4"
    assert len(run.over(None)) == 1


@pytest.mark.parametrize("column", ["reading", "phones", "pinyin"])
def test_the_column_of_readings_has_three_names(tmp_path: Path, column: str):
    lexicon = Lexicon.read(written(tmp_path, f"\ufeffWord,{column}\r\n行长,xing2 zhang3\r\n"))
    assert phones("行长", "zh", Reading(lexicon)) == "x ing2 zh ang3"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("你好,,ni3", "2 characters.*1 syllables"),
        ("你好,,ni9 hao3", "not a reading"),
        ("你好,,ni hao3", "'ni' has no tone"),
        (",,x", "a word and a reading"),
        ("你好,,", "a word and a reading"),
        ("123,,HH", "fill in the column"),
        ("卡拉OK,zh,ka3 la1", "has characters that are not Chinese"),
        ("bonjour,fr,b o", "unknown language 'fr'"),
        ("hello,,H EH L O", "not a reading of 'hello' in en"),
        ("東京,ja,tokyo", "not a reading"),
        ("카톡,ko,katok", "not a reading"),
        ("香港,yue,hoeng9 gong2", "not a reading"),
        ("行长,,hang2 zhang3", "already in the lexicon"),
        ("Hello, you,,HH AH0", "more fields"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: str, message: str):
    path = written(tmp_path, f"word,language,reading\n行长,,xing2 zhang3\n\n{row}\n好,,hao3\n")
    with pytest.raises(InputError, match=f"lexicon.csv, line 4: .*{message}"):
        Lexicon.read(path)


def test_all_bad_lines_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="line 2: .*line 4: "):
        Lexicon.read(written(tmp_path, "word,reading\n123,HH\n好,hao3\n你好,ni3\n"))


@pytest.mark.parametrize("header", ["wort,lesung", "word", "word,reading,remark", ""])
def test_a_header_without_the_columns_is_refused(tmp_path: Path, header: str):
    with pytest.raises(InputError, match="line 1: the columns are"):
        Lexicon.read(written(tmp_path, f"{header}\n好,hao3\n"))


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="none.csv"):
        Lexicon.read(tmp_path / "none.csv")
    (tmp_path / "lexicon.csv").write_bytes("word,reading\n好,hǎo".encode("gb18030") + b"\xff\xfe\n")
    with pytest.raises(InputError, match="lexicon.csv cannot be used"):
        Lexicon.read(tmp_path / "lexicon.csv")


def test_a_traditional_word_is_found_in_cantonese_which_stays_traditional():
    reading = Reading(Lexicon([("聽日", "yue", "ting3 jat2")]))
    assert phonemize("聽日見", "yue", reading=reading, lead_in=False).phones[:4] == ["Yt", "Ying3", "Yj", "Yat2"]
