"""Held-out clips, spikes, early stop, recomputation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from tests.gpt_sovits.gpt.conftest import TINY, tiny_model
from voicemill.core.errors import InputError, TryAgain
from voicemill.gpt_sovits.features.spectrogram import mel_spectrogram
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint
from voicemill.gpt_sovits.gpt.data import Item
from voicemill.gpt_sovits.gpt.fine_tuning import FineTuning
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.training.monitor import Diverged, Watch, hold_out, recompute
from voicemill.gpt_sovits.training.run_state import Precision, RunState

CPU = Precision("fp32", torch.device("cpu"))
RECIPE = GptRecipe(epochs=2, batch_size=50, save_every=10)


def items(count: int) -> list[Item]:
    rng = torch.Generator().manual_seed(3)

    def numbers(length: int, below: int) -> list[int]:
        return torch.randint(1, below, (length,), generator=rng).tolist()

    return [Item(f"clip{n}.wav", numbers(8, 700), numbers(25, 1024)) for n in range(count)]


def tune(state: Path, recipe: GptRecipe = RECIPE, clips: int = 12, **others) -> FineTuning:
    base = GptCheckpoint(TINY.to_dict(), tiny_model().state_dict(), "GPT-e0")
    training, held_out = hold_out(items(clips), 0.1)
    return FineTuning(base, training, recipe, state, CPU, held_out=held_out, **others)


def rows(state: Path) -> list[dict]:
    return [json.loads(row) for row in (state / "metrics.jsonl").read_text().splitlines()]


@dataclass(frozen=True)
class Clip:
    name: str


def test_the_same_clips_are_held_out_in_any_order_and_few_clips_are_all_needed() -> None:
    clips = [Clip(f"{n}.wav") for n in range(100)]
    training, held_out = hold_out(clips, 0.05)
    assert len(held_out) == 5 and sorted([*training, *held_out], key=clips.index) == clips
    assert set(hold_out(clips[::-1], 0.05)[1]) == set(held_out)
    assert len(hold_out(clips, 0.5)[1]) == 8 and len(hold_out(clips[:10], 0.01)[1]) == 1
    assert hold_out(clips[:9], 0.5)[1] == hold_out(clips, 0)[1] == []


def test_each_epoch_has_the_loss_on_clips_that_were_not_learnt(tmp_path: Path) -> None:
    run = tune(tmp_path)
    run.run()
    assert len(run.held_out) == 1 and run.held_out[0] not in run.items
    first, last = rows(tmp_path)
    # Tokens here are random: what is learnt of some says nothing of others.
    assert last["validation_loss"] > last["loss"] and first["validation_loss"] != last["validation_loss"]
    assert run.peak_memory > 0.1


def test_measuring_changes_nothing_in_what_is_learnt(tmp_path: Path) -> None:
    measured, unmeasured = tune(tmp_path / "a"), tune(tmp_path / "b")
    unmeasured.held_out = ()
    for run in (measured, unmeasured):
        run.run()
    one, other = (run.trainer.model.state_dict() for run in (measured, unmeasured))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_that_gets_no_better_ends_early_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=30, patience=2, learning_rate=0.05)
    run = tune(tmp_path, recipe)
    saved = run.run()
    losses = [row["validation_loss"] for row in rows(tmp_path)]
    best = losses.index(min(losses)) + 1
    assert len(losses) == best + 2 < 30
    assert [file.epoch for file in saved] == [best, best + 2]
    again = tune(tmp_path, recipe)
    assert again.run() == saved and len(rows(tmp_path)) == len(losses)


def test_one_strange_batch_may_pass_but_a_loss_that_stays_up_ends_the_run() -> None:
    watch = Watch()
    for loss in [*[1.0] * 20, 80.0, 1.2, 90.0, 70.0, 1.1]:
        watch.see_step(loss)
    with pytest.raises(Diverged, match="rose to 60"):
        for _ in range(3):
            watch.see_step(60.0)
    assert watch.losses[-1] == 1.1
    resumed = Watch()
    resumed.load_state_dict(json.loads(json.dumps(watch.state_dict())))
    assert resumed == watch


def test_a_model_thrown_off_its_course_stops_the_run_at_the_last_good_state(tmp_path: Path) -> None:
    run = tune(tmp_path, replace(RECIPE, epochs=6))

    def thrown(batches, total):
        for done, step in enumerate(batches):
            if done == 3 * run.batches:
                run.trainer.model.ar_predict_layer.weight.data.mul_(1e4)
            yield step

    with pytest.raises(InputError, match="and stayed there in epoch 4.*lower --learning-rate"):
        run.run(thrown)
    good = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["run"]
    assert good["position"][:2] == [4, 0]
    assert good["trainer"]["model"]["ar_predict_layer.weight"].abs().max() < 10


def test_where_arithmetic_may_differ_the_first_divergence_is_tried_again_and_the_second_is_not(tmp_path: Path) -> None:
    state = RunState(tmp_path, "a")
    state.load()
    state.close()
    assert isinstance(state.after_divergence("NaN", "fix it", may_pass=True), TryAgain)
    again = state.after_divergence("NaN", "fix it", may_pass=True)
    assert isinstance(again, InputError) and "fix it" in str(again)
    other = RunState(tmp_path / "other", "a")
    assert isinstance(other.after_divergence("NaN", "fix it", may_pass=False), InputError)


def test_recomputing_layers_learns_the_same(tmp_path: Path) -> None:
    plain, recomputing = tune(tmp_path / "a"), tune(tmp_path / "b", recompute_layers=True)
    for run in (plain, recomputing):
        run.run()
    one, other = (run.trainer.model.state_dict() for run in (plain, recomputing))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_recomputing_keeps_less(tmp_path: Path) -> None:
    def kept(recomputed: bool) -> int:
        layers = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 16)) for _ in range(4)
        )
        if recomputed:
            recompute(layers)
        numbers: dict[int, int] = {}

        def pack(x: torch.Tensor) -> torch.Tensor:
            numbers[x.data_ptr()] = x.numel()
            return x

        weights = {parameter.data_ptr() for parameter in layers.parameters()}
        x = torch.randn(100, 16, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            for layer in layers:
                x = layer(x)
        return sum(count for place, count in numbers.items() if place not in weights)

    assert kept(True) < kept(False) / 3


def test_the_deterministic_mode_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from voicemill.gpt_sovits.training.monitor import be_deterministic

    wav = torch.randn(2, 12800, generator=torch.Generator().manual_seed(0)).div(10).requires_grad_()
    usual = mel_spectrogram(wav)
    (slope,) = torch.autograd.grad(usual.square().sum(), wav)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    try:
        be_deterministic()
        same = mel_spectrogram(wav)
        (same_slope,) = torch.autograd.grad(same.square().sum(), wav)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(usual, same)
    torch.testing.assert_close(slope, same_slope)
