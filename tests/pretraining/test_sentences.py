from itertools import islice, pairwise
from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.dataset.clip_features import pronounce
from voicemill.pretraining.sentences import read_texts, sentences
from voicemill.text import symbols


def test_a_seed_gives_the_same_sentences_and_none_of_them_twice() -> None:
    said = list(islice(sentences(3), 2000))
    assert said[:50] == list(islice(sentences(3), 50))
    assert len(set(said)) == len(said)
    assert said[:50] != list(islice(sentences(4), 50))


def test_every_sentence_can_be_pronounced_and_between_them_they_have_every_phone_of_english() -> None:
    said = list(islice(sentences(0), 400))
    phones = [phone for sentence in said for phone in pronounce(sentence, "en", "v2").phones]
    assert all(symbols.knows(phone, "v2") for phone in set(phones))
    sounds = {phone.rstrip("012") for phone in phones if phone[0].isalpha()}
    # CMUdict's 39.
    assert len(sounds) == 39


def test_a_and_an_follow_the_word_after_them() -> None:
    for sentence in islice(sentences(1), 2000):
        words = sentence.lower().split()
        for article, word in pairwise(words):
            # The h of an hour is not said.
            if article in ("a", "an") and word.rstrip(",.?!") != "hour":
                assert (article == "an") == (word[0] in "aeiou"), sentence


def test_texts_are_mixed_in_each_once_some_without_a_mark_at_the_end() -> None:
    texts = [f"the {name} of the story" for name in ("end", "middle", "beginning", "hero", "moral")]
    texts += [f"{a} and {b}." for a in ("tea", "milk", "bread", "wine") for b in ("salt", "oil", "honey", "rice")]
    said = list(islice(sentences(3, texts), 200))
    assert said == list(islice(sentences(3, texts), 200))
    of_texts = [line for line in said if line.rstrip(".").lower() in {text.rstrip(".") for text in texts}]
    assert len(of_texts) == len(texts) and all(line[0].isupper() for line in of_texts)
    assert 0 < sum(line.endswith(".") for line in of_texts) < len(of_texts)
    assert any(line not in of_texts for line in said[: len(texts)])


def test_of_a_file_the_lines_are_read_that_can_be_sentences(tmp_path: Path) -> None:
    lines = [
        "a plain line",
        "one",
        "it cost 5 pounds",
        " spaces around, and a mark! ",
        "word " * 20,
        "caf\u00e9 au lait",
        "",
    ]
    (tmp_path / "texts").write_text("\n".join(lines), encoding="utf-8")
    assert read_texts(tmp_path / "texts") == ["a plain line", "spaces around, and a mark!"]
    (tmp_path / "texts").write_text("5\n6\n", encoding="utf-8")
    with pytest.raises(InputError, match="no line of"):
        read_texts(tmp_path / "texts")
    with pytest.raises(InputError, match="cannot be read as texts"):
        read_texts(tmp_path / "none")
