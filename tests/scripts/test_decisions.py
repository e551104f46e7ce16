"""The page of decisions: each has a number of its own, by which other pages name it."""

import re
from collections import Counter

from tests.charts.helm import ROOT


def test_every_decision_has_a_number_of_its_own() -> None:
    page = (ROOT / "docs" / "explanation" / "decisions.md").read_text()
    numbers = re.findall(r"^### (\d+)\. .* \{#decision-(\d+)\}$", page, re.MULTILINE)
    assert len(numbers) > 100
    assert all(number == anchor for number, anchor in numbers)
    assert [number for number, times in Counter(number for number, _ in numbers).items() if times > 1] == []
