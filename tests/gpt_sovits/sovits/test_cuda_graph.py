"""Recorded steps, on a CPU by doing the work again where a GPU would replay it; and on a GPU where there is one."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.gpt_sovits.sovits.test_training import FRAMES, PHONES, batch, trainer
from voicemill.gpt_sovits.sovits.cuda_graph import WARM_UP, CudaGraphTrainer, Work, cuda_graph
from voicemill.gpt_sovits.sovits.training import Diverged, Trainer
from voicemill.gpt_sovits.training.run_state import Precision

STEPS = WARM_UP + 3
ITEMS = 2
CPU = torch.device("cpu")


class Recorder:
    """Counts what is recorded and replayed."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, work: Work) -> Work:
        self.recorded += 1

        def replay():
            self.replayed += 1
            return work()

        return replay


def pair(models: Path, record, device: torch.device = CPU, **changes) -> tuple[Trainer, CudaGraphTrainer]:
    """A trainer, and one that records, of the same weights."""
    made = []
    for kind in (Trainer, CudaGraphTrainer):
        like = trainer(models)
        recipe = replace(like.recipe, batch_size=ITEMS, segment_seconds=FRAMES / 50, **changes)
        parts = like.generator.to(device), like.discriminator.to(device), recipe, Precision("fp32", device)
        made.append(kind(*parts) if kind is Trainer else CudaGraphTrainer(*parts, phones=PHONES + 5, record=record))
    return made[0], made[1]


def steps(made: Trainer, count: int = STEPS) -> list[float]:
    """The generator's loss of some steps, the learning rate halved in the middle."""
    found = []
    for number in range(count):
        torch.manual_seed(number)
        found.append(made.step(batch(ITEMS)).generator)
        if number == count // 2:
            made.end_epoch()
    return found


def test_a_recorded_step_is_the_usual_step_on_a_padded_batch(models: Path) -> None:
    record = Recorder()
    plain, recorded = pair(models, record)
    assert steps(recorded) == pytest.approx(steps(plain), rel=2e-3)
    assert (record.recorded, record.replayed) == (1, STEPS - WARM_UP)


def test_with_and_without_an_adversary_two_are_recorded(models: Path) -> None:
    record = Recorder()
    _, recorded = pair(models, record, discriminator_start_step=WARM_UP + 1)
    steps(recorded, 2 * WARM_UP + 2)
    assert (record.recorded, record.replayed) == (2, 2)


def test_a_batch_of_another_size_is_not_recorded(models: Path) -> None:
    record = Recorder()
    _, recorded = pair(models, record)
    for number in range(STEPS):
        torch.manual_seed(number)
        recorded.step(batch(ITEMS - 1))
    assert record.recorded == 0


def test_what_is_no_number_ends_a_recorded_step_too(models: Path) -> None:
    _, recorded = pair(models, Recorder())
    steps(recorded)
    with torch.no_grad():
        next(recorded.generator.dec.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged):
        steps(recorded, 1)


def test_a_state_goes_on_with_and_without_recording(models: Path) -> None:
    _, recorded = pair(models, Recorder())
    steps(recorded)
    state = copy.deepcopy(recorded.state_dict())
    going_on = []
    for made in (recorded, *pair(models, Recorder())):
        if made is not recorded:
            made.load_state_dict(copy.deepcopy(state))
        torch.manual_seed(99)
        going_on.append(made.step(batch(ITEMS)).generator)
    assert going_on[1:] == pytest.approx([going_on[0]] * 2, rel=2e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_graph_learns_what_steps_learn(models: Path) -> None:
    plain, recorded = pair(models, cuda_graph, torch.device("cuda"))
    assert steps(recorded) == pytest.approx(steps(plain), rel=5e-3)
