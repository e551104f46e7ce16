"""Training a LoRA: what it learns, what it leaves alone, and that a kill changes nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.gpt_sovits.sovits.conftest import write_dataset
from tests.gpt_sovits.sovits.test_fine_tuning import Killed, files, kill_after
from voicemill.core.errors import InputError, UsageError
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.data import collate
from voicemill.gpt_sovits.flow_matching.fine_tuning import MelFineTuning, memory_needs, start_model
from voicemill.gpt_sovits.flow_matching.training import Draws, MelTrainer
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.sovits import data
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.models import locate
from voicemill.text import symbols

CPU = Precision("fp32", torch.device("cpu"))
RECIPE = SovitsRecipe(epochs=3, batch_size=2, save_every=2, lora_rank=4, learning_rate=1e-3)


def items_of(dataset: Path) -> list[data.Item]:
    return data.find_items(dataset, lambda phones: symbols.ids(phones, "v2")).items


def run(dataset: Path, models: Path, state: Path, recipe: SovitsRecipe = RECIPE, **options) -> MelFineTuning:
    base = checkpoints.load_sovits(locate(models, "sovits-g", "v4"))
    return MelFineTuning(base, items_of(dataset), 1, recipe, state, CPU, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(write_dataset(folder / "dataset"), models, folder / "state").run()
    return folder


def test_it_writes_loras_that_speak_with_their_base(undisturbed: Path, models: Path) -> None:
    names = ["metrics.jsonl", "sovits_e2_s4.safetensors", "sovits_e3_s6.safetensors"]
    assert list(files(undisturbed / "state")) == names
    made = checkpoints.load_sovits(undisturbed / "state" / "weights" / names[-1])
    assert (made.version, made.lora_rank, made.info) == ("v4", 4, "3epoch_6iteration")
    base = checkpoints.load_sovits(locate(models, "sovits-g", "v4"))
    whole = lora.merged(base.weights, made.weights, 4)
    changed = {key.rsplit(".", 1)[0] for key in whole if not torch.equal(whole[key].float(), base.weights[key].float())}
    assert changed and all(key.startswith(("bridge", "wns1")) or ".attn.to_" in key for key in changed)
    rows = [json.loads(line) for line in (undisturbed / "state" / "metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5), (3, 6)]
    assert all(row["loss_mel"] > 0 and row["gradient_g"] > 0 for row in rows)


@pytest.mark.parametrize(("steps", "checkpoint_steps"), [(3, None), (3, 1)])
def test_killed_and_resumed_equals_never_killed(
    undisturbed: Path, models: Path, tmp_path: Path, steps: int, checkpoint_steps: int | None
) -> None:
    with pytest.raises(Killed):
        run(undisturbed / "dataset", models, tmp_path, checkpoint_steps=checkpoint_steps).run(kill_after(steps))
    torch.manual_seed(steps)
    run(undisturbed / "dataset", models, tmp_path).run()
    assert files(tmp_path) == files(undisturbed / "state")


def test_the_same_clips_are_learnt_better_each_time(undisturbed: Path, models: Path) -> None:
    base = checkpoints.load_sovits(locate(models, "sovits-g", "v4"))
    trainer = MelTrainer(start_model(base, 4), RECIPE, CPU)
    batch = collate([data.load(item) for item in items_of(undisturbed / "dataset")], trainer.generator.mel)
    draws = replace(Draws.of(batch), shortcut=False)
    losses = [trainer.step(batch, draws).loss for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]


def test_micro_batches_and_checkpointing_change_nothing(undisturbed: Path, models: Path) -> None:
    from voicemill.gpt_sovits.flow_matching.dit import Block
    from voicemill.gpt_sovits.training.monitor import recompute

    base = checkpoints.load_sovits(locate(models, "sovits-g", "v3"))
    clips = [data.load(item) for item in items_of(undisturbed / "dataset")]
    gradients = []
    for micro, recomputed in ((4, False), (1, False), (4, True)):
        torch.manual_seed(0)
        model = start_model(base, 4)
        for layer in model.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        if recomputed:
            recompute(module for module in model.modules() if isinstance(module, Block))
        trainer = MelTrainer(model, RECIPE, CPU, micro)
        batch = collate(clips, model.mel)
        trainer.step(batch, replace(Draws.of(batch, torch.Generator().manual_seed(1)), shortcut=True))
        gradients.append({name: p.grad for name, p in trainer.learning.items() if p.grad is not None})
    for other in gradients[1:]:
        assert other.keys() == gradients[0].keys()
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=1e-6)


def test_held_out_clips_are_measured(undisturbed: Path, models: Path, tmp_path: Path) -> None:
    held = items_of(undisturbed / "dataset")[:1]
    one = run(undisturbed / "dataset", models, tmp_path, held_out=held)
    (first, second) = (one.figures() for _ in range(2))
    assert first == second and first[1] == first[0]["loss_validation_mel"] > 0


def test_what_only_other_versions_have_is_refused_by_name(undisturbed: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--mel-weight is for versions with a GAN"):
        run(undisturbed / "dataset", models, tmp_path, replace(RECIPE, mel_weight=40.0))
    base = checkpoints.load_sovits(locate(models, "sovits-g", "v4"))
    with pytest.raises(InputError, match="are a LoRA"):
        start_model(replace(base, lora_rank=4), 4)


def test_memory_grows_with_the_clip_and_less_with_checkpointing(models: Path) -> None:
    model = start_model(checkpoints.load_sovits(locate(models, "sovits-g", "v4")), 4)
    (fixed, short), (_, long) = (memory_needs(model, CPU, frames) for frames in (100, 200))
    assert long == 2 * short and fixed > 4 * sum(p.numel() for p in model.parameters())
    assert memory_needs(model, CPU, 200, recomputed=True)[1] < long / 2
