"""GPU seconds by class, out of ledgers, and their price."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voicemill.core import gpu_cost
from voicemill.core.errors import UsageError
from voicemill.core.gpu_cost import CURRENCY, PRICES, Prices, of_ledgers


def test_a_class_has_a_price_an_hour_and_one_without_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRICES, '{"training": 1.8}')
    monkeypatch.setenv(CURRENCY, "EUR")
    prices = gpu_cost.prices()
    assert prices and prices.currency == "EUR"
    assert prices.cost({"training": 1800.0, "inference": 7200.0}) == pytest.approx(0.9)
    monkeypatch.delenv(PRICES)
    assert not gpu_cost.prices() and not Prices({"training": 0.0})


@pytest.mark.parametrize("text", ["1.2", '{"training": "dear"}', '{"training": -1}', '{"tuning": 1}', "{"])
def test_prices_that_are_none_are_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRICES, text)
    with pytest.raises(UsageError, match=PRICES):
        gpu_cost.prices()


def test_each_task_counts_once_however_many_lines_it_has(tmp_path: Path) -> None:
    tasks = {
        "slice": [{"stage": "slice", "item": "a"}],
        "format": [{"stage": "format", "gpu_class": "inference", "gpu_seconds": 30.0, "item": name} for name in "abc"],
        "train-gpt": [{"stage": "train-gpt", "gpu_class": "training", "gpu_seconds": 200.5}],
        "synthesize/000": [{"stage": "synthesize", "gpu_class": "inference", "gpu_seconds": 1}],
        "synthesize/001": [{"stage": "synthesize", "gpu_class": "inference", "gpu_seconds": 2}],
    }
    for name, rows in tasks.items():
        path = tmp_path / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    use = of_ledgers(tmp_path)
    assert use.spent == use.made == {"inference": 33.0, "training": 200.5}
    assert of_ledgers(None).spent == {}


def test_what_was_taken_over_was_made_with_what_it_took_there(tmp_path: Path) -> None:
    row = {"stage": "train-gpt", "gpu_class": "training", "gpu_seconds": 6.0, "reused_gpu_seconds": 900.0}
    (tmp_path / "all.jsonl").write_text(json.dumps(row) + "\n")
    use = of_ledgers(tmp_path)
    assert use.spent == {"training": 6.0} and use.made == {"training": 900.0}
