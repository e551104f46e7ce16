"""expr, govaluate's `when`, and tags: values as the originals give them, refusals by name."""

from __future__ import annotations

from typing import Any

import pytest

from voicemill.engine import conditions, templating
from voicemill.engine.expressions import ExpressionError, parse
from voicemill.engine.operators import as_text

VARIABLES = {
    "lastRetry.exitCode": "137",
    "lastRetry.status": "Failed",
    "retries": "2",
    "tasks.measure.outputs.parameters.summary": '{"noisy": [1, 2], "deep": {"er": 2.0}}',
    "tasks.train-gpt.status": "Succeeded",
    "tasks.gone.outputs.parameters.text": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lastRetry.exitCode == '137' ? 1 + asInt(retries) : 1", 3),
        ("asInt(lastRetry.exitCode) in [75, 77, 137] || lastRetry.status == 'Error'", True),
        ("asInt(lastRetry.exitCode) not in [75, 77]", True),
        ("tasks['train-gpt'].status matches '^Succ'", True),
        ("jsonpath(tasks.measure.outputs.parameters.summary, '$.noisy[1]')", 2),
        ("jsonpath(tasks.measure.outputs.parameters.summary, '$.deep.er') * 2", 4.0),
        ("tasks.gone.outputs.parameters.text ?? 'fallback' + '!'", "fallback!"),
        ("tasks.gone.outputs.parameters.text?.length ?? 0", 0),
        ("-2 ** 2 + 7 % -3", -3.0),
        ("not (1 > 2) and 'abc' contains 'b'", True),
        ("{'a': [1, 2]}.a[1]", 2),
        ("1 == true", False),
        ("len([1, 2]) == 2 && 7 / 2 == 3.5", True),
    ],
)
def test_expression_gives_what_expr_gives(text: str, value: Any) -> None:
    assert parse(text)(VARIABLES) == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("filter([1], {# > 1})", "#"),
        ("sprig.trim(retries)", "sprig.trim()"),
        ("env('HOME')", "env()"),
        ("1..3", ".."),
        ("retries | int()", "|"),
        ("1 +", "its end"),
    ],
)
def test_what_is_not_supported_is_refused_by_name_when_parsed(text: str, named: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["unknown.name", "lastRetry.exitCode > 3", "asInt('x')", "!retries", "1 / 0"])
def test_expression_that_fails_on_its_values_says_so(text: str) -> None:
    with pytest.raises(ExpressionError, match="expression"):
        parse(text)(VARIABLES)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (3, "3"), (2.0, "2"), (0.5, "0.5"), (True, "true"), ([1, "翠"], '[1,"翠"]')]
)
def test_value_in_a_tag_is_written_as_argo_writes_it(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("", True),
        ("auto == auto", True),
        ("'12' == 12", False),
        ("12 > 9 && 'b' > 'a'", True),
        ("1 == 2 || (2 == 2 && !(3 < 1))", True),
        ("a in (b, a)", True),
        ("'transcript.list' =~ 'list$'", True),
        ("true || foo > 1", True),
        ("'' == ''", True),
        ("-1 < 0", True),
    ],
)
def test_when_gives_what_govaluate_gives(when: str, outcome: bool) -> None:
    assert conditions.holds(when) is outcome


@pytest.mark.parametrize("when", ["semi-auto == x", "v1.2 == v1.2", "a &&", "(a == b", "'a", "3", "a ? b : c", "a > 1"])
def test_when_that_govaluate_cannot_evaluate_is_an_error(when: str) -> None:
    with pytest.raises(conditions.ConditionError, match="when"):
        conditions.holds(when)


def test_tags_are_filled_in_nested_values_and_unknown_ones_left_for_later() -> None:
    value = {"args": ["{{ a.b }}/{{=asInt(n) + 1}}", {"x": "{{later}} {{=later.y + 'z'}}"}], "n": 3}
    filled = templating.fill(value, {"a.b": "1", "n": "2"}, final=False)
    assert filled == {"args": ["1/3", {"x": "{{later}} {{=later.y + 'z'}}"}], "n": 3}
    with pytest.raises(templating.Unresolved, match="later"):
        templating.fill(value, {"a.b": "1", "n": "2"}, final=True)


def test_braces_in_a_value_are_not_read_as_a_tag() -> None:
    assert templating.fill("{{a}}", {"a": "{{b}} }}", "b": "no"}, final=True) == "{{b}} }}"


def test_absent_output_is_an_error_in_a_tag_and_nil_in_an_expression() -> None:
    with pytest.raises(templating.Unresolved, match="did not run"):
        templating.fill("x {{a}}", {"a": None}, final=False)
    assert templating.fill("{{=a ?? 'b'}}", {"a": None}, final=True) == "b"
