from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from voicemill.core.errors import InputError, Interrupted
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.sovits import data
from voicemill.gpt_sovits.sovits.fine_tuning import FineTuning, prove
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.training import loop
from voicemill.gpt_sovits.training.run_state import Precision, RunState
from voicemill.models import locate
from voicemill.text import symbols


class Killed(Exception):
    """Stands for a kill: nothing more is written after it."""


def kill_after(steps: int) -> Callable[[Iterable[None], int], Iterator[None]]:
    def progress(done: Iterable[None], total: int) -> Iterator[None]:
        for number, step in enumerate(done, 1):
            yield step
            if number == steps:
                raise Killed

    return progress


RECIPE = SovitsRecipe(epochs=3, batch_size=2, save_every=2)


def run(dataset: Path, models: Path, state: Path, recipe: SovitsRecipe = RECIPE, **options) -> FineTuning:
    found = data.find_items(dataset, lambda phones: symbols.ids(phones, "v2"))
    return FineTuning(
        checkpoints.load_sovits(locate(models, "sovits-g")),
        checkpoints.load_discriminator(locate(models, "sovits-d")),
        found.items,
        1,
        recipe,
        state,
        Precision("fp32", torch.device("cpu")),
        **options,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A dataset and the state of a run over it that nothing disturbed."""
    from tests.gpt_sovits.sovits.conftest import write_dataset

    folder = tmp_path_factory.mktemp("undisturbed")
    run(write_dataset(folder / "dataset"), models, folder / "state").run()
    return folder


def files(state: Path) -> dict[str, bytes]:
    paths = [state / "metrics.jsonl", *sorted((state / "weights").iterdir())]
    return {path.name: path.read_bytes() for path in paths}


def test_every_second_and_the_last_epoch_are_saved(undisturbed: Path) -> None:
    # Four clips in batches of two make two steps an epoch.
    assert list(files(undisturbed / "state")) == [
        "metrics.jsonl",
        "sovits_e2_s4.safetensors",
        "sovits_e3_s6.safetensors",
    ]
    rows = [json.loads(line) for line in (undisturbed / "state" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 6)]
    assert rows[-1]["loss_mel"] < rows[0]["loss_mel"]


@pytest.mark.parametrize(("steps", "checkpoint_steps"), [(1, None), (3, None), (3, 1)])
def test_killed_and_resumed_equals_never_killed(
    undisturbed: Path, models: Path, tmp_path: Path, steps: int, checkpoint_steps: int | None
) -> None:
    with pytest.raises(Killed):
        run(undisturbed / "dataset", models, tmp_path, checkpoint_steps=checkpoint_steps).run(kill_after(steps))
    # Whatever random numbers the new process has drawn before must not matter.
    torch.manual_seed(steps)
    run(undisturbed / "dataset", models, tmp_path).run()
    assert files(tmp_path) == files(undisturbed / "state")


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Let a checkpoint take as long as at full size; its positions are noted."""
    positions: list[tuple[int, int, int]] = []

    def save(state: RunState, step: int, run: dict[str, Any]) -> None:
        positions.append(run["position"])
        clock.advance(3)
        plain_save(state, step, run)

    class Clock:
        passed = 0.0

        def monotonic(self) -> float:
            return self.passed

        def advance(self, seconds: float) -> None:
            self.passed += seconds

    clock, plain_save = Clock(), RunState.save
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(RunState, "save", save)
    return positions


def test_epochs_of_seconds_do_not_wait_for_a_checkpoint_each(
    undisturbed: Path, models: Path, tmp_path: Path, saved: list[tuple[int, int, int]]
) -> None:
    run(undisturbed / "dataset", models, tmp_path / "whole").run()
    # What the first one takes is not known before; the last is always written.
    assert [epoch for epoch, _, _ in saved] == [2, 4]
    with pytest.raises(Killed):
        run(undisturbed / "dataset", models, tmp_path / "killed").run(kill_after(5))
    run(undisturbed / "dataset", models, tmp_path / "killed").run()
    for folder in ("whole", "killed"):
        assert files(tmp_path / folder) == files(undisturbed / "state")


def test_a_request_to_stop_at_the_end_of_an_epoch_saves_it(
    undisturbed: Path, models: Path, tmp_path: Path, saved: list[tuple[int, int, int]]
) -> None:
    def stop() -> None:
        if len(saved) == 2:
            raise Interrupted("stopped on request")

    # Asked between the batches of each of the two epochs and at their ends.
    asked = iter([False, False, False, True])
    stopped = run(undisturbed / "dataset", models, tmp_path, stop_requested=lambda: next(asked), check_stop=stop)
    with pytest.raises(Interrupted):
        stopped.run()
    assert [epoch for epoch, _, _ in saved] == [2, 3]


def test_an_average_goes_on_after_a_kill_and_is_what_is_saved(undisturbed: Path, models: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, ema_steps=4)
    whole = run(undisturbed / "dataset", models, tmp_path / "whole", recipe)
    whole.run()
    with pytest.raises(Killed):
        run(undisturbed / "dataset", models, tmp_path / "killed", recipe, checkpoint_steps=1).run(kill_after(3))
    torch.manual_seed(3)
    run(undisturbed / "dataset", models, tmp_path / "killed", recipe).run()
    assert files(tmp_path / "killed") == files(tmp_path / "whole")

    # It is trained as ever; only what is kept of it is another.
    logs = [folder / "metrics.jsonl" for folder in (tmp_path / "whole", undisturbed / "state")]
    assert logs[0].read_bytes() == logs[1].read_bytes()
    whole.write_base(tmp_path / "base")
    name = "dec.conv_pre.weight"
    kept, last = (model.state_dict()[name] for model in (whole.trainer.ema_generator, whole.trainer.generator))
    for path in (whole.saved()[-1].path, tmp_path / "base" / "s2G.pth"):
        assert checkpoints.load_sovits(path).weights[name].equal(kept.half())
    assert not kept.half().equal(last.half())


def test_a_request_to_stop_saves_the_very_step_and_resumes_from_it(
    undisturbed: Path, models: Path, tmp_path: Path
) -> None:
    asked = iter([False, False, True])

    def stop() -> None:
        raise Interrupted("stopped on request")

    stopping = run(undisturbed / "dataset", models, tmp_path, stop_requested=lambda: next(asked, True), check_stop=stop)
    stopping.checkpoint_steps = None
    with pytest.raises(Interrupted):
        stopping.run()
    resumed = run(undisturbed / "dataset", models, tmp_path)
    resumed.run()
    assert files(tmp_path) == files(undisturbed / "state")


def test_a_finished_run_trains_no_more(undisturbed: Path, models: Path) -> None:
    before = files(undisturbed / "state")
    saved = run(undisturbed / "dataset", models, undisturbed / "state").run()
    assert [file.epoch for file in saved] == [2, 3]
    assert files(undisturbed / "state") == before


def test_the_state_of_other_data_is_not_gone_on_from(undisturbed: Path, models: Path, dataset: Path, tmp_path) -> None:
    with pytest.raises(Killed):
        run(undisturbed / "dataset", models, tmp_path / "state").run(kill_after(3))
    rows = (dataset / "2-name2text.txt").read_text().splitlines()
    (dataset / "2-name2text.txt").write_text("\n".join(rows[:2]) + "\n")
    said: list[str] = []
    run(dataset, models, tmp_path / "state", log=said.append).run()
    assert "other data or parameters" in said[0]
    assert len(files(tmp_path / "state")["metrics.jsonl"].splitlines()) == 3


def test_a_clip_that_vanishes_during_training_ends_it(undisturbed: Path, models: Path, dataset: Path, tmp_path) -> None:
    run_of_four = run(dataset, models, tmp_path / "state")
    (dataset / "4-cnhubert" / "clip1.wav.pt").write_bytes(b"gone")
    with pytest.raises(InputError, match="clip1.wav.pt cannot be read"):
        run_of_four.run()


def test_no_clip_of_a_usable_length_is_an_error(dataset: Path, models: Path, tmp_path: Path) -> None:
    (dataset / "2-name2text.txt").write_text("")
    with pytest.raises(InputError, match="no clip is left"):
        run(dataset, models, tmp_path / "state")


def test_a_voice_without_the_posterior_encoder_is_no_base(undisturbed: Path, models: Path, tmp_path: Path) -> None:
    voice = checkpoints.load_sovits(undisturbed / "state" / "weights" / "sovits_e3_s6.safetensors")
    found = data.find_items(undisturbed / "dataset", lambda phones: symbols.ids(phones, "v2"))
    discriminator = checkpoints.load_discriminator(locate(models, "sovits-d"))
    with pytest.raises(InputError, match="base file"):
        FineTuning(
            voice, discriminator, found.items, 1, SovitsRecipe(), tmp_path, Precision("fp32", torch.device("cpu"))
        )


def test_weights_that_say_nothing_sound_are_not_passed_on(undisturbed: Path, tmp_path: Path) -> None:
    voice = checkpoints.load_sovits(undisturbed / "state" / "weights" / "sovits_e3_s6.safetensors")
    voice.weights["dec.conv_post.weight"] = torch.full_like(voice.weights["dec.conv_post.weight"], torch.nan)
    checkpoints.save_sovits(tmp_path / "broken.safetensors", voice)
    found = data.find_items(undisturbed / "dataset", lambda phones: symbols.ids(phones, "v2"))
    with pytest.raises(InputError, match="is unusable"):
        prove(tmp_path / "broken.safetensors", data.load(found.items[0]))
