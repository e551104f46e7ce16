"""A verdict follows from the measures and the tolerances, and its reports say the same."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from voicemill.evaluation.promotion_gate import Heard, Tolerance, Verdict, as_junit, as_markdown, judge

LINE = {"text": "One | two.", "heard": "one two", "error_rate": 0.0, "similarity": 0.8, "seconds": 1.0, "audio": "a"}
OLD = Heard("old", 0.10, 0.80, [LINE])


@pytest.mark.parametrize(
    ("error_rate", "similarity", "outcome"),
    [
        (0.10, 0.80, "not worse"),
        (0.12, 0.78, "not worse"),
        (0.121, 0.80, "worse"),
        (0.05, 0.779, "worse"),
        (0.0, 1.0, "not worse"),
    ],
)
def test_a_voice_is_worse_when_it_passes_a_tolerance(error_rate: float, similarity: float, outcome: str) -> None:
    found = judge("anna", "prod", Heard("new", error_rate, similarity), OLD, Tolerance(0.02, 0.02))
    assert found.outcome == outcome and found.may_be_promoted == (outcome == "not worse")


def test_the_first_is_promoted_and_the_same_is_not_moved() -> None:
    first = judge("anna", "prod", OLD, None, Tolerance(0, 0))
    assert first.outcome == "first" and first.may_be_promoted
    same = judge("anna", "prod", OLD, OLD, Tolerance(0, 0))
    assert same.outcome == "same" and not same.may_be_promoted


def test_junit_counts_a_failure_for_each_gate_that_was_not_passed() -> None:
    found = judge("anna", "prod", Heard("new", 0.5, 0.85), OLD, Tolerance(0.02, 0.02))
    suite = ElementTree.fromstring(as_junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "0.5000, prod has 0.1000, the limit is 0.1200"


def test_what_had_not_to_be_built_is_a_skipped_case() -> None:
    suite = ElementTree.fromstring(as_junit(Verdict("unchanged", "anna", "prod", Heard("new", 0, 0))))
    assert (suite.get("tests"), suite.get("skipped")) == ("1", "1")
    (skipped,) = suite.iter("skipped")
    assert "nothing changed: anna@new" in str(skipped.get("message"))


def test_the_markdown_says_what_is_worse_and_what_was_heard() -> None:
    text = as_markdown(judge("anna", "prod", Heard("new", 0.5, 0.85, [LINE]), OLD, Tolerance(0.02, 0.02)))
    assert "Anna@new is worse than prod (error rate 0.500 against 0.100) and is not promoted." in text
    assert "| error rate | 0.500 | 0.100 | 0.120 | worse |" in text and "| One \\| two. | one two | 0.00 |" in text
