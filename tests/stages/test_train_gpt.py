import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from voicemill.core.errors import InputError, MissingModelError
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.gpt_sovits.formats.checkpoints import load_gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.stages.train_gpt import train_gpt


def test_it_writes_weights_metrics_and_how_it_was_trained(dataset: Path, models: Path, tmp_path: Path):
    weights = tmp_path / "weights"
    recipe = GptRecipe(epochs=3, save_every=2, batch_size=25)
    ledger = train_gpt(dataset, weights, tmp_path / "state", models=str(models), recipe=recipe)
    assert sorted(path.name for path in weights.iterdir()) == [
        "gpt_e2_s2.safetensors",
        "gpt_e3_s3.safetensors",
        "metrics.jsonl",
        "parameters.json",
        "tensorboard",
    ]
    assert [json.loads(row)["epoch"] for row in (weights / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]
    assert json.loads((weights / "parameters.json").read_text())["epochs"] == 3
    board = EventAccumulator(str(weights / "tensorboard")).Reload()
    rows = [json.loads(row) for row in (weights / "metrics.jsonl").read_text().splitlines()]
    assert set(board.Tags()["scalars"]) == rows[-1].keys() - {"step", "epoch"}
    for name in board.Tags()["scalars"]:
        seen = {event.step: event.value for event in board.Scalars(name)}
        assert seen == pytest.approx({row["step"]: row[name] for row in rows})
    base, trained = load_gpt(next(models.glob("*/s1*.ckpt"))), load_gpt(weights / "gpt_e3_s3.safetensors")
    assert not torch.equal(base.weights["ar_predict_layer.weight"], trained.weights["ar_predict_layer.weight"])
    assert (ledger.kept, ledger.dropped) == (1, 1)
    assert "nonsense" in ledger.entries[0]["reason"]


def test_a_dataset_without_a_usable_clip_ends_with_the_reason(dataset: Path, models: Path, tmp_path: Path):
    DatasetFolder(dataset).write_codes({"bad.wav": [1] * 25})
    with pytest.raises(InputError, match="nonsense"):
        train_gpt(dataset, tmp_path / "weights", tmp_path / "state", models=str(models), recipe=GptRecipe())
    assert not (tmp_path / "weights").exists()


def test_missing_base_weights_are_named(dataset: Path, tmp_path: Path):
    (tmp_path / "models").mkdir()
    with pytest.raises(MissingModelError, match="s1bert25hz"):
        train_gpt(
            dataset, tmp_path / "weights", tmp_path / "state", models=str(tmp_path / "models"), recipe=GptRecipe()
        )
