from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from tests.gpt_sovits.sovits.conftest import write_dataset
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.stages.train_sovits import train_sovits

RECIPE = {field.name for field in fields(SovitsRecipe)}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_sovits(folder, seed=1)
    make_sovits(folder, seed=1, version="v2ProPlus")
    make_hubert(folder, seed=1)
    return folder


def train(dataset: Path, out: Path, models: Path, **parameters):
    recipe = SovitsRecipe(**{"epochs": 1} | {name: parameters.pop(name) for name in RECIPE & parameters.keys()})
    return train_sovits(
        dataset=dataset, weights=out / "weights", state=out / "state", models=str(models), recipe=recipe, **parameters
    )


def test_a_damaged_clip_is_dropped_with_its_reason_and_the_rest_is_trained_on(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", short=100)
    (dataset / "4-cnhubert" / "clip1.wav.pt").write_bytes(b"damaged")
    ledger = train(dataset, tmp_path, models, batch_size=3)
    entries = {entry["item"]: entry for entry in ledger.entries}
    assert (ledger.kept, ledger.dropped) == (3, 101)
    assert "lasts 0.10 s" in entries["short99.wav"]["reason"]
    assert "clip1.wav.pt cannot be read" in entries["clip1.wav"]["reason"]
    (file,) = (tmp_path / "weights").glob("*.safetensors")
    assert file.name in ledger.summary()["files"]
    assert checkpoints.load_sovits(file).info.startswith("1epoch_")
    assert (tmp_path / "weights" / "tensorboard").is_dir()
    trained = json.loads((tmp_path / "weights" / "parameters.json").read_text())
    assert (trained["epochs"], trained["version"], trained["base"]) == (1, "v2", "s2G2333k.pth")
    assert json.loads((tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 1


def test_the_newest_version_trains_with_its_own_discriminator(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", 2, speaker_vectors=True, short=100)
    train(dataset, tmp_path, models, batch_size=2, version="v2ProPlus")
    (file,) = (tmp_path / "weights").glob("*.safetensors")
    assert checkpoints.load_sovits(file).version == "v2ProPlus"


def test_each_epoch_is_measured_on_a_clip_that_was_not_trained_on(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", 10, short=100)
    options = {"batch_size": 3, "gradient_checkpointing": True, "deterministic": True}
    try:
        ledger = train(dataset, tmp_path, models, **options)
    finally:
        torch.use_deterministic_algorithms(False)
    rows = [json.loads(row) for row in (tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 3]
    assert rows[-1].keys() == {"step", "epoch", "loss_validation_mel", "loss_validation_kl"}
    assert ledger.summary()["held_out"] == 1 and ledger.summary()["peak_memory_gib"] > 0.1
    again = train(dataset, tmp_path / "plain", models, batch_size=3)
    assert again.summary()["loss_mel"] == pytest.approx(ledger.summary()["loss_mel"], rel=1e-4)


def test_what_a_voice_will_say_is_listened_to_and_judged_and_an_average_kept(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", short=100)
    options = {"segment_seconds": 0.8, "mel_resolutions": 3, "content_loss_weight": 20.0}
    options |= {"adversarial_on_prior": True, "ema_steps": 3}
    train(dataset, tmp_path, models, batch_size=2, export_base=True, **options)
    trained = json.loads((tmp_path / "weights" / "parameters.json").read_text())
    assert {name: trained[name] for name in options} == options
    rows = [json.loads(row) for row in (tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and all(row["loss_content"] > 0 for row in rows)
    (voice,) = (tmp_path / "weights").glob("*.safetensors")
    kept, base = (checkpoints.load_sovits(path).weights for path in (voice, tmp_path / "weights" / "base" / "s2G.pth"))
    assert all(value.equal(base[name]) for name, value in kept.items())
    assert base.keys() - kept.keys()

    train(dataset, tmp_path / "last", models, batch_size=2, **(options | {"ema_steps": 0}))
    (last,) = (tmp_path / "last" / "weights").glob("*.safetensors")
    logs = [folder / "weights" / "metrics.jsonl" for folder in (tmp_path, tmp_path / "last")]
    assert logs[0].read_bytes() == logs[1].read_bytes()
    assert any(not value.equal(kept[name]) for name, value in checkpoints.load_sovits(last).weights.items())


def test_a_dataset_without_a_usable_clip_fails_and_says_why(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", 1)
    (dataset / "5-wav32k" / "clip0.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="0 clips to train SoVITS on.*clip0.wav"):
        train(dataset, tmp_path, models)
    assert not (tmp_path / "weights").exists()


def test_killed_with_no_warning_and_started_again_gives_the_same_weights(models: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", short=100)

    def start(name: str) -> subprocess.Popen:
        out = tmp_path / name
        artifacts = ["--dataset", dataset, "--weights", out / "weights", "--state", out / "state", "--models", models]
        parameters = ["--epochs", "3", "--save-every", "2", "--batch-size", "1"]
        command = [sys.executable, "-m", "voicemill.stages.train_sovits", *map(str, artifacts), *parameters]
        return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})

    killed = start("killed")
    metrics = tmp_path / "killed" / "state" / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 5):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "weights").exists()
    assert start("killed").wait() == 0
    train(dataset, tmp_path / "undisturbed", models, epochs=3, save_every=2, batch_size=1)

    def weights(name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / name / "weights").glob("*.*")}

    assert len(weights("killed")) == 4
    assert weights("killed") == weights("undisturbed")
