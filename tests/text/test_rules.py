"""The tables of rules: each rule's example is read as its row says."""

import pytest

from voicemill.text import japanese_preprocessing, korean_preprocessing
from voicemill.text.english import homographs, tokens
from voicemill.text.english import preprocessing as english_preprocessing
from voicemill.text.rewriting import Rule

LANGUAGES = {"en": english_preprocessing, "ja": japanese_preprocessing, "ko": korean_preprocessing}
CASES = [(language, rule) for language, module in LANGUAGES.items() for rule in module.rules()]


@pytest.mark.parametrize(("language", "rule"), CASES, ids=[f"{language}: {rule.name}" for language, rule in CASES])
def test_the_example_of_a_rule_is_read_as_its_row_says(language: str, rule: Rule):
    assert LANGUAGES[language].preprocess(rule.example).strip() == rule.reading


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_have_names_of_their_own(language: str):
    names = [rule.name for rule in LANGUAGES[language].rules()]
    assert len(names) == len(set(names))


CONTEXTS = [(word, context) for word, contexts in homographs.contexts().items() for context in contexts]


@pytest.mark.parametrize(
    ("word", "context"), CONTEXTS, ids=[f"{word}: {context.example}" for word, context in CONTEXTS]
)
def test_the_example_of_a_homograph_sounds_as_its_row_says(word: str, context: homographs.Context):
    words = tokens(context.example)
    assert homographs.phones(words, [word.lower() for word in words].index(word)) == context.phones
