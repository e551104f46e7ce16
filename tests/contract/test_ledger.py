"""Every item is kept or dropped, once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from voicemill.contract import Ledger
from voicemill.core.errors import InputError


def test_what_is_made_of_an_item_accounts_for_it() -> None:
    ledger = Ledger()
    for name in ledger.each(["a", "b"]):
        ledger.keep(f"{name}_1", seconds=2.0)
        ledger.drop(f"{name}_2", "too short")
    ledger.close()
    assert [(entry["item"], entry["of"]) for entry in ledger.entries][:2] == [("a_1", "a"), ("a_2", "a")]
    assert ledger.summary() == {"in": 4, "kept": 2, "dropped": 2, "seconds": 4.0}


def test_only_input_errors_drop_an_item_and_nothing_else_is_swallowed() -> None:
    ledger = Ledger()
    with ledger.item("a"):
        raise InputError("it is broken")
    assert ledger.entries == [{"item": "a", "outcome": "dropped", "reason": "it is broken"}]
    with pytest.raises(ZeroDivisionError), ledger.item("b"):
        _ = 1 / 0
    assert ledger.dropped == 1


def test_an_item_that_does_not_fit_into_memory_is_dropped_alone() -> None:
    ledger = Ledger()
    with ledger.item("a"):
        np.empty(1 << 60, np.uint8)
    assert ledger.entries[0]["outcome"] == "dropped" and "out of memory" in ledger.entries[0]["reason"]


def test_an_input_error_outside_an_item_ends_the_stage() -> None:
    ledger = Ledger()
    with pytest.raises(InputError):
        for _ in ledger.each(["a"]):
            raise InputError("not swallowed")


def test_an_item_cannot_be_decided_twice() -> None:
    ledger = Ledger()
    ledger.keep("a")
    with pytest.raises(AssertionError, match="a is in the ledger twice"):
        ledger.drop("a", "after all")


def test_too_little_names_the_count_and_the_first_reason() -> None:
    ledger = Ledger()
    ledger.keep("a")
    ledger.drop("b", "it is silent")
    ledger.require(1)
    with pytest.raises(InputError, match=r"1 clips left, at least 2 needed \(1 dropped; the first: b: it is silent\)"):
        ledger.require(2, "clips")


def test_lines_are_json_with_their_context_and_any_script() -> None:
    ledger = Ledger()
    ledger.drop("翠.wav", "stumm", seconds=np.float32(0.5))
    text = ledger.lines(stage="slice")
    assert "翠.wav" in text
    row = {"stage": "slice", "item": "翠.wav", "outcome": "dropped", "reason": "stumm", "seconds": 0.5}
    assert isinstance(json.loads(text)["seconds"], float), "a numpy number stays a number"
    assert json.loads(text) == row
