from itertools import islice

from voicemill.preparation import pronounce
from voicemill.pretraining.sentences import sentences
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
        for article, word in zip(words, words[1:], strict=False):
            # The h of an hour is not said.
            if article in ("a", "an") and word.rstrip(",.?!") != "hour":
                assert (article == "an") == (word[0] in "aeiou"), sentence
