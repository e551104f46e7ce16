"""A verdict follows from the lines and the tolerances, is right often enough, and its reports say the same."""

from __future__ import annotations

import inspect
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.promotion import gate, promoted
from voicemill.evaluation.compare import decide
from voicemill.evaluation.promotion_gate import Heard, Tolerance, Verdict, as_junit, as_markdown, judge
from voicemill.stages.compare import compare

NUMBERS = {"errors": 0, "words": 2}
LINE = NUMBERS | {
    "text": "One | two.",
    "heard": "one two",
    "causes": [],
    "error_rate": 0.0,
    "similarity": 0.8,
    "seconds": 1.0,
    "audio": "a",
}
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
def test_of_too_few_lines_the_figures_decide(error_rate: float, similarity: float, outcome: str) -> None:
    found = judge("anna", "prod", Heard("new", error_rate, similarity), OLD, Tolerance(0.02, 0.02, 1.0))
    assert found.outcome == outcome and found.may_be_promoted == (outcome == "not worse")


def lines(errors: list[int], similarity: list[float]) -> list[dict[str, object]]:
    return [
        {**LINE, "text": str(number), "errors": wrong, "words": 8, "similarity": alike}
        for number, (wrong, alike) in enumerate(zip(errors, similarity, strict=True))
    ]


def heard(version: str, errors: list[int], similarity: list[float]) -> Heard:
    rate = sum(errors) / (8 * len(errors))
    return Heard(version, rate, sum(similarity) / len(similarity), lines(errors, similarity))


def test_differences_are_taken_line_by_line() -> None:
    # Lines differ much from one another, the voices on each not at all: that one more error comes with each is certain.
    hard, alike = [0, 4, 1, 6, 0, 2] * 4, [0.7, 0.8, 0.9, 0.75, 0.85, 0.8] * 4
    old = heard("old", hard, alike)
    new = heard("new", [wrong + 1 for wrong in hard], [value - 0.01 for value in alike])
    found = judge("anna", "prod", new, old, Tolerance(0.13, 0.011, 1.0))
    assert [gate.bound for gate in found.gates] == pytest.approx([1 / 8, 0.01, 0.0])
    assert found.outcome == "not worse"
    assert judge("anna", "prod", new, old, Tolerance(0.12, 0.02, 1.0)).outcome == "worse"
    assert judge("anna", "prod", old, new, Tolerance(0, 0, 1.0)).outcome == "not worse", "the better one always is"


def test_a_line_of_babble_counts_as_one_that_is_all_wrong() -> None:
    old = heard("old", [0] * 12, [0.8] * 12)
    wrong, babble = (heard("new", [errors] + [0] * 11, [0.8] * 12) for errors in (8, 80))
    verdicts = [judge("anna", "prod", one, old, Tolerance(0.2, 0.02, 1.0)) for one in (wrong, babble)]
    assert verdicts[0].gates[0].bound == verdicts[1].gates[0].bound


def test_an_equal_voice_is_promoted_nine_times_in_ten_and_a_worse_one_hardly_ever() -> None:
    options = inspect.signature(compare).parameters
    names = ("max_error_rate_rise", "max_similarity_drop", "max_failing_rise")
    margins = (options[name].default for name in names)
    rule, lines = gate(Tolerance(*margins), options["most_takes"].default), options["compare_lines"].default
    for rate in (0.1, 0.4):
        assert promoted(rule, lines, rate, worse=0.0, trials=100) > 0.9
        assert promoted(rule, lines, rate, worse=0.1, trials=100) <= 0.05
    assert promoted(rule, lines, 0.1, worse=0.0, trials=20, less_alike=0.05) == 0


def test_more_lines_that_fail_verification_are_a_reason_of_their_own() -> None:
    # As many errors and as much likeness, but another third of the lines would have to be mended.
    old, new = (heard(version, [1] * 24, [0.8] * 24) for version in ("old", "new"))
    failing = [{**line, "causes": ["babble"] if number % 3 == 0 else []} for number, line in enumerate(new.lines)]
    new = replace(new, lines=failing, failing=1 / 3)
    found = judge("anna", "prod", new, old, Tolerance(0.08, 0.03, 0.15))
    assert found.outcome == "worse" and "failing lines 0.333 against 0.000" in found.sentence
    assert [gate.passed for gate in found.gates] == [True, True, False] and 0.3 < found.gates[2].bound < 0.6
    assert judge("anna", "prod", new, old, Tolerance(0.08, 0.03, 0.6)).outcome == "not worse"
    again = new.and_again(replace(old, version="new"))
    assert again.failing == pytest.approx(1 / 6, abs=1e-4)


class TwoTakes:
    """Stands for voices that speak: what each take of them reached is given."""

    def __init__(self, *takes: tuple[list[int], list[int]]) -> None:
        self.takes, self.asked = takes, 0

    def take(self, number: int) -> dict[str, Heard]:
        self.asked = number
        spoken = zip(("new", "old"), self.takes[number - 1], strict=True)
        found = {version: heard(version, errors, [0.8] * len(errors)) for version, errors in spoken}
        return {
            version: replace(one, lines=[{**line, "take": number} for line in one.lines])
            for version, one in found.items()
        }


def test_lines_are_spoken_again_where_one_take_does_not_tell() -> None:
    few, many = [0, 1, 0, 2, 0, 1] * 2, [2, 0, 0, 4, 1, 0] * 2
    known_as = ("anna", "prod", "new", "old", Tolerance(0.08, 0.02, 0.2))
    takes = TwoTakes((many, few), (few, few))
    found = decide(takes, *known_as, most_takes=3)  # pyright: ignore[reportArgumentType]
    assert takes.asked == 2 and found.outcome == "not worse"
    assert found.new.error_rate == pytest.approx((14 + 8) / 192, abs=1e-3) and len(found.new.lines) == 24
    takes = TwoTakes((few, few))
    decide(takes, *known_as, most_takes=3)  # pyright: ignore[reportArgumentType]
    assert takes.asked == 1, "what is surely not worse is not asked again"
    takes = TwoTakes(([8] * 12, few))
    assert decide(takes, *known_as, most_takes=3).outcome == "worse" and takes.asked == 1  # pyright: ignore[reportArgumentType]


def test_the_first_is_promoted_and_the_same_is_not_moved() -> None:
    first = judge("anna", "prod", OLD, None, Tolerance(0, 0, 1.0))
    assert first.outcome == "first" and first.may_be_promoted
    same = judge("anna", "prod", OLD, OLD, Tolerance(0, 0, 1.0))
    assert same.outcome == "same" and not same.may_be_promoted


def test_junit_counts_a_failure_for_each_gate_that_was_not_passed() -> None:
    found = judge("anna", "prod", Heard("new", 0.5, 0.85), OLD, Tolerance(0.02, 0.02, 1.0))
    suite = ElementTree.fromstring(as_junit(found))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "0")
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "0.5000, prod has 0.1000: worse by 0.4000 at most, the limit is 0.0200"


def test_what_had_not_to_be_built_is_a_skipped_case() -> None:
    suite = ElementTree.fromstring(as_junit(Verdict("unchanged", "anna", "prod", Heard("new", 0, 0))))
    assert (suite.get("tests"), suite.get("skipped")) == ("1", "1")
    (skipped,) = suite.iter("skipped")
    assert "nothing changed: anna@new" in str(skipped.get("message"))


def test_the_markdown_says_what_is_worse_and_what_was_heard() -> None:
    text = as_markdown(
        judge("anna", "prod", Heard("new", 0.5, 0.85, [{**LINE, "causes": ["loop"]}]), OLD, Tolerance(0.02, 0.02, 1.0))
    )
    assert "Anna@new is worse than prod or may be (error rate 0.500 against 0.100, up to 0.400 worse)" in text
    assert (
        "| error rate | 0.500 | 0.100 | 0.400 | 0.020 | too much |" in text
        and "| One \\| two. | one two | 0.00 | 0.80 | loop |" in text
    )
