"""g2pW by onnxruntime: a tiny network in the public files' format decides by the words around a character."""

from pathlib import Path

import pytest

from tests.text.g2pw_model import write_g2pw
from voicemill.core.errors import BrokenModelError, MissingModelError
from voicemill.text import Reading, phonemize
from voicemill.text.mandarin import words
from voicemill.text.mandarin.g2pw import G2pw


def reader(models: Path, **options: bool) -> G2pw:
    return G2pw(write_g2pw(models, **options), models / "chinese-roberta-wwm-ext-large" / "tokenizer.json")


def read(g2pw: G2pw, phrase: str) -> list[str]:
    return g2pw(phrase, words.pinyin(phrase))


@pytest.mark.parametrize("by_character", [False, True])
def test_the_words_around_decide(tmp_path: Path, by_character: bool):
    g2pw = reader(tmp_path, by_character=by_character)
    assert read(g2pw, "他们走行")[-1] == "xing2"
    assert read(g2pw, "他们行.")[2:] == ["hang2", "."]


def test_simplified_characters_are_asked_about_as_traditional_ones(tmp_path: Path):
    assert read(reader(tmp_path), "快乐音")[1] == "yue4"


def test_characters_of_one_reading_come_from_the_table_and_others_from_pypinyin(tmp_path: Path):
    assert read(reader(tmp_path), "他去,") == ["ta1", "qu5", ","]


def test_some_characters_are_left_to_pypinyin(tmp_path: Path):
    assert read(reader(tmp_path), "不似") == words.pinyin("不似")


def test_a_place_far_into_a_long_phrase_is_read_in_its_own_words(tmp_path: Path):
    g2pw = reader(tmp_path)
    found = read(g2pw, "走行" + "他" * 700 + "行")
    assert [found[1], found[-1]] == ["xing2", "hang2"]


def test_it_reads_for_the_front_end_but_the_phrase_dictionary_goes_before(tmp_path: Path):
    reading = Reading(polyphones=reader(tmp_path))
    assert phonemize("他们都行.", "zh").phones[6:8] == ["x", "ing2"]
    assert phonemize("他们都行.", "zh", reading=reading).phones[6:8] == ["h", "ang2"]
    assert words.phrase("不行")
    assert phonemize("他们不行.", "zh", reading=reading).phones[6:8] == ["x", "ing2"]


def test_what_is_missing_or_damaged_is_named(tmp_path: Path):
    folder = write_g2pw(tmp_path)
    tokenizer = tmp_path / "chinese-roberta-wwm-ext-large" / "tokenizer.json"
    with pytest.raises(MissingModelError, match=r"none.json is missing"):
        G2pw(folder, tmp_path / "none.json")
    (folder / "POLYPHONIC_CHARS.txt").write_text("行 xing\n", encoding="utf-8")
    with pytest.raises(BrokenModelError, match="damaged"):
        read(G2pw(folder, tokenizer), "行")
    write_g2pw(tmp_path)
    (folder / "g2pW.onnx").write_bytes(b"no network")
    with pytest.raises(BrokenModelError, match=r"g2pW.onnx is not g2pW's"):
        read(G2pw(folder, tokenizer), "行")
    (folder / "g2pW.onnx").unlink()
    with pytest.raises(MissingModelError, match=r"g2pW.onnx is missing"):
        G2pw(folder, tokenizer)


def test_a_network_with_other_outputs_is_refused(tmp_path: Path):
    folder = write_g2pw(tmp_path, by_character=True)
    (folder / "config.py").write_text("use_char_phoneme = False\nimport os; os.abort()\n", encoding="utf-8")
    path = folder / "POLYPHONIC_CHARS.txt"
    path.write_text(path.read_text(encoding="utf-8") + "乐\tㄌㄜ4\n行\tㄏㄥ2\n", encoding="utf-8")
    with pytest.raises(BrokenModelError, match="g2pW.onnx is not g2pW's"):
        read(G2pw(folder, tmp_path / "chinese-roberta-wwm-ext-large" / "tokenizer.json"), "行")
