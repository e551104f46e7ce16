"""The tables of rules: each rule's example is read as its row says."""

import pytest

from voicemill.text import japanese_mending, korean_mending
from voicemill.text.rewriting import Rule

LANGUAGES = {"ja": japanese_mending, "ko": korean_mending}
CASES = [(language, rule) for language, module in LANGUAGES.items() for rule in module.rules()]


@pytest.mark.parametrize(("language", "rule"), CASES, ids=[f"{language}: {rule.name}" for language, rule in CASES])
def test_the_example_of_a_rule_is_read_as_its_row_says(language: str, rule: Rule):
    assert LANGUAGES[language].mend(rule.example) == rule.reading


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_have_names_of_their_own(language: str):
    names = [rule.name for rule in LANGUAGES[language].rules()]
    assert len(names) == len(set(names))
