"""Which pair is chosen, by how few trials, and how sure the choice is said to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.test_metrics import line
from voicemill.core.errors import InputError
from voicemill.evaluation.choosing import TimeBudget, best_of, how_sure, search, weights_in
from voicemill.evaluation.metrics import Measure, diverged, summed
from voicemill.evaluation.references import best_reference


def test_n_plus_m_less_one_pairs_find_the_best() -> None:
    likeness = {"sovits_e2": 0.6, "sovits_e4": 0.9, "sovits_e10": 0.8}
    errors = {"gpt_e5": 0.1, "gpt_e10": 0.3, "gpt_e15": 0.2}
    asked: list[tuple[str, str]] = []

    def measure(sovits: Path, gpt: Path) -> Measure:
        asked.append((sovits.name, gpt.name))
        return Measure(sovits.name, gpt.name, errors[gpt.name], likeness[sovits.name], 1.0)

    best, measured = search([Path(name) for name in likeness], [Path(name) for name in sorted(errors)], measure)
    assert (best.sovits, best.gpt) == ("sovits_e4", "gpt_e5")
    assert len(measured) == len(asked) == 3 + 3 - 1
    assert asked[:3] == [(name, "gpt_e15") for name in ("sovits_e2", "sovits_e4", "sovits_e10")]


def test_ties_go_to_the_later_epoch_and_less_than_a_tie_does_not() -> None:
    def measures(*scores: float) -> list[Measure]:
        return [Measure(f"sovits_e{epoch}", "gpt_e8", 0.0, score, 1.0) for epoch, score in enumerate(scores, start=1)]

    assert best_of(measures(0.804, 0.8, 0.7)).sovits == "sovits_e2"
    assert best_of(measures(0.806, 0.8, 0.7)).sovits == "sovits_e1"
    sovits, gpt = ([Path(f"{kind}_e{epoch}_s1") for epoch in (4, 8)] for kind in ("sovits", "gpt"))
    best, _ = search(sovits, gpt, lambda sovits, gpt: Measure(sovits.name, gpt.name, 1.7, 0.5, 1.0))
    assert (best.sovits, best.gpt) == ("sovits_e8_s1", "gpt_e8_s1")


def test_how_sure_a_choice_is_follows_from_the_lines() -> None:
    rng = np.random.default_rng(0)
    sentences = rng.integers(6, 12, 12)
    right = [line(int(count > 10), int(count)) for count in sentences]
    wrong = [line(int(count) - 1, int(count)) for count in sentences]
    clear = how_sure(0, [summed("a", "g", right, 16.0), summed("b", "g", wrong, 16.0), diverged("c", "g")], 16.0)
    assert clear.confidence == 1.0 and clear.as_good == []

    shuffled = [summed("b", "g", [right[number] for number in rng.permutation(12)], 16.0)]
    unsure = how_sure(0, [summed("a", "g", right, 16.0), *shuffled], 16.0)
    assert unsure.confidence is not None and 0.2 < unsure.confidence < 0.8 and unsure.as_good == [1]
    assert how_sure(0, [summed("a", "g", right[:2], 16.0)], 16.0).confidence is None
    assert how_sure(0, [summed("a", "g", right, 16.0)], 16.0).confidence == 1.0


def test_of_reference_clips_the_best_is_taken_and_of_ties_the_likeliest() -> None:
    tried = [Measure("s", "g", 0.0, similarity, 1.0) for similarity in (0.700, 0.747, 0.750, 0.5)]
    assert best_reference(tried) == 1


def test_what_fits_into_the_time_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("voicemill.evaluation.choosing.time.monotonic", lambda: now[0])
    budget = TimeBudget(60.0, started=100.0)
    now[0] = 130.0
    assert budget.left == 30.0
    assert (budget.fitting(5, 10.0), budget.fitting(2, 10.0), budget.fitting(5, 31.0)) == (3, 2, 0)
    assert TimeBudget(0.0, started=0.0).fitting(5, 1e9) == 5


def test_a_folder_without_weights_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights"):
        weights_in(tmp_path)
