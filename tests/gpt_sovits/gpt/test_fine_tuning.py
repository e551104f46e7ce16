from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.gpt_sovits.gpt.conftest import TINY, tiny_model
from voicemill.core.errors import InputError, Interrupted, OutOfGpuMemory
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint, load_gpt
from voicemill.gpt_sovits.gpt.data import Item, collate
from voicemill.gpt_sovits.gpt.fine_tuning import FineTuning
from voicemill.gpt_sovits.gpt.losses import off_guide
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.gpt.training import Trainer
from voicemill.gpt_sovits.training.run_state import Precision

RECIPE = GptRecipe(epochs=2, batch_size=16, save_every=1)
CPU = torch.device("cpu")


def tune(base: GptCheckpoint, items: list[Item], state: Path, recipe: GptRecipe = RECIPE, **others) -> FineTuning:
    return FineTuning(base, items, recipe, state, Precision("fp32", CPU), **others)


def weights(run: FineTuning) -> dict[str, torch.Tensor]:
    return run.trainer.model.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Killed(Exception):
    pass


def killing_after(count: int):
    """Progress that raises after some batches, with nothing saved: what kill -9 does."""

    def progress(batches, total):
        for done, _ in enumerate(batches):
            if done == count:
                raise Killed
            yield

    return progress


def asked_to_stop_after(count: int) -> dict:
    """A stop request that comes after some batches."""
    asked = [0]

    def stop_requested() -> bool:
        asked[0] += 1
        return asked[0] >= count

    def check_stop() -> None:
        if asked[0] >= count:
            raise Interrupted("stopped")

    return {"stop_requested": stop_requested, "check_stop": check_stop}


def test_killed_and_resumed_equals_never_killed(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    steady = tune(base, items, tmp_path / "steady")
    steady.run()
    for killed_after in (3, 9):
        state = tmp_path / f"killed{killed_after}"
        with pytest.raises(Killed):
            tune(base, items, state).run(killing_after(killed_after))
        resumed = tune(base, items, state)
        saved = resumed.run()
        assert same(weights(resumed), weights(steady))
        assert (state / "metrics.jsonl").read_text() == (tmp_path / "steady" / "metrics.jsonl").read_text()
        assert [file.epoch for file in saved] == [1, 2]


def test_stopped_in_the_middle_of_an_epoch_it_goes_on_from_there(
    base: GptCheckpoint, items: list[Item], tmp_path: Path
):
    steady = tune(base, items, tmp_path / "steady")
    steady.run()
    with pytest.raises(Interrupted):
        tune(base, items, tmp_path / "state", **asked_to_stop_after(3)).run()
    resumed = tune(base, items, tmp_path / "state")
    batches = []
    resumed.run(lambda steps, total: (batches.append(resumed.batch) or step for step in steps))
    assert batches[:4] == [3, 3, 3, 4]
    assert same(weights(resumed), weights(steady))


def test_training_lowers_the_loss(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    import json

    run = tune(base, items[:3], tmp_path, replace(RECIPE, epochs=12, batch_size=8, learning_rate=0.02))
    run.run()
    losses = [json.loads(row)["loss"] for row in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.85 * losses[0]


def test_the_learning_rate_falls_from_epoch_to_epoch_also_after_a_kill(
    base: GptCheckpoint, items: list[Item], tmp_path: Path
):
    recipe = replace(RECIPE, epochs=3, learning_rate_decay=0.5)
    with pytest.raises(Killed):
        tune(base, items, tmp_path, recipe).run(killing_after(9))
    run = tune(base, items, tmp_path, recipe)
    run.run()
    assert run.trainer.optimizer.param_groups[0]["lr"] == pytest.approx(recipe.learning_rate / 4)


def test_with_a_guide_a_head_learns_to_read_what_is_said(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    def beside(weight: float) -> float:
        run = tune(
            base,
            items,
            tmp_path / str(weight),
            replace(RECIPE, epochs=15, batch_size=8, save_every=15, learning_rate=0.02, guided_attention_weight=weight),
        )
        run.run()
        batch, read = collate(items, TINY.eos, guided=True), []
        run.trainer.model.eval()(*batch.inputs, read=read)
        assert read and batch.guide_BYX is not None
        return float(off_guide(read, batch.guide_BYX, batch.tokens_len_B) / batch.tokens_len_B.sum())

    assert beside(1.0) < 0.8 * beside(0.0)


def test_without_dropout_nothing_is_left_to_chance(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    def heard_twice(dropout: float) -> list[torch.Tensor]:
        run = tune(base, items, tmp_path / str(dropout), replace(RECIPE, dropout=dropout))
        model, batch = run.trainer.model.train(), run.read(items[:2])
        return [model(*batch.inputs)[0] for _ in range(2)]

    first, second = heard_twice(0.0)
    assert torch.equal(first, second)
    first, second = heard_twice(GptRecipe().dropout)
    assert not torch.equal(first, second)


def test_the_last_epoch_is_always_saved_and_loads(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    saved = tune(base, items, tmp_path, replace(RECIPE, epochs=3, save_every=2)).run()
    assert [file.epoch for file in saved] == [2, 3]
    last = load_gpt(saved[-1].path)
    assert last.info == "GPT-e3"
    Gpt.from_checkpoint(last.config, last.weights)


def test_a_finished_run_is_not_run_again(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    first = tune(base, items, tmp_path).run()
    again = tune(base, items, tmp_path)
    before = first[-1].path.stat().st_mtime_ns
    assert again.run() == first
    assert first[-1].path.stat().st_mtime_ns == before


def test_more_epochs_go_on_from_fewer_as_if_they_had_been_asked_for_at_once(
    base: GptCheckpoint, items: list[Item], tmp_path: Path
):
    recipe = replace(RECIPE, epochs=4, save_every=2)
    at_once = tune(base, items, tmp_path / "at once", recipe)
    at_once.run()
    assert [file.epoch for file in tune(base, items, tmp_path / "raised", replace(recipe, epochs=3)).run()] == [2, 3]
    raised, steps = tune(base, items, tmp_path / "raised", recipe), []
    saved = raised.run(lambda batches, total: (steps.append(raised.epoch) or batch for batch in batches))
    assert set(steps[-raised.batches :]) == {4} and same(weights(raised), weights(at_once))
    assert [file.epoch for file in saved] == [2, 4]
    fewer, said = [], []
    fewer = tune(base, items, tmp_path / "raised", replace(recipe, epochs=1), log=said.append).run()
    assert [file.epoch for file in fewer] == [1] and "starting from the base weights" in said[0]


def test_the_state_of_another_run_is_not_gone_on_from(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    tune(base, items, tmp_path).run()
    said: list[str] = []
    other = tune(base, items[:4], tmp_path, log=said.append)
    fresh = tune(base, items[:4], tmp_path / "fresh")
    other.run()
    fresh.run()
    assert any("other data or parameters" in message for message in said)
    assert same(weights(other), weights(fresh))


def test_a_damaged_state_is_named_and_not_overwritten(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    tune(base, items, tmp_path).run()
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="delete it to start over"):
        tune(base, items, tmp_path).run()


def test_numbers_that_are_none_stop_the_run_and_leave_the_last_good_state(
    base: GptCheckpoint, items: list[Item], tmp_path: Path
):
    run = tune(base, items, tmp_path, replace(RECIPE, epochs=4))

    def poison(batches, total):
        for done, step in enumerate(batches):
            if done == 2 * run.batches:
                run.trainer.model.bert_proj.bias.data[0] = torch.nan
            yield step

    with pytest.raises(InputError, match="the loss became nan in epoch 3"):
        run.run(poison)
    good = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["run"]
    assert good["position"][:2] == [3, 0]
    assert all(bool(value.isfinite().all()) for value in good["trainer"]["model"].values())


def test_preference_for_unspoiled_clips_can_be_learnt_too(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    plain, preferring = (tune(base, items, tmp_path / str(dpo), replace(RECIPE, dpo=dpo)) for dpo in (False, True))
    plain.run()
    preferring.run()
    assert preferring.batch_size == plain.batch_size // 2
    assert not same(weights(plain), weights(preferring))


def test_an_epoch_of_few_batches_still_steps(base: GptCheckpoint, items: list[Item], tmp_path: Path):
    run = tune(base, items[:1], tmp_path, replace(RECIPE, batch_size=25))
    run.run()
    assert run.batches == 4
    assert run.trainer.step == 2


def test_no_clips_are_an_input_error(base: GptCheckpoint, tmp_path: Path):
    with pytest.raises(InputError, match="no clip is left"):
        tune(base, [], tmp_path)


class Cramped(Gpt):
    """A model on a card where only so many items fit."""

    fits = 2

    def forward(self, phones_BX, *others, **settings):
        if len(phones_BX) > self.fits:
            raise torch.OutOfMemoryError("no room")
        return super().forward(phones_BX, *others, **settings)


def gradients(model: Gpt, items: list[Item], micro_batch: int) -> list[torch.Tensor]:
    trainer = Trainer(model, RECIPE, Precision("fp32", CPU), micro_batch)
    trainer.add(collate(items, TINY.eos))
    return [parameter.grad for parameter in trainer.parameters if parameter.grad is not None]


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_gradients(items: list[Item]):
    whole = gradients(tiny_model(), items, micro_batch=9)
    cramped = Cramped(TINY)
    cramped.load_state_dict(tiny_model().state_dict())
    for a, b in zip(whole, gradients(cramped.eval(), items, micro_batch=9), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_when_not_even_one_clip_fits_the_run_ends_for_lack_of_memory(items: list[Item]):
    cramped = Cramped(TINY)
    cramped.fits = 0
    with pytest.raises(OutOfGpuMemory, match="--max-seconds"):
        gradients(cramped, items, micro_batch=4)
