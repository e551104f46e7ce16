from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import HubertConfig

from tests.pretraining.conftest import NAMES, PHONES
from tests.speech import speech
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.pretraining import content_encoder
from voicemill.pretraining.content_encoder import Item, Training, crop, labelled, whole
from voicemill.pretraining.flite import PHONES as NAMES_OF_PHONES
from voicemill.pretraining.flite import Segment
from voicemill.pretraining.recipe import EncoderRecipe
from voicemill.stages.train_content_encoder import train_content_encoder


class Killed(Exception):
    """Stands for a kill."""


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> HubertConfig:
    config = content_encoder.configuration()
    config.conv_dim, config.intermediate_size, config.num_conv_pos_embeddings = [16] * 7, 32, 3
    monkeypatch.setattr(content_encoder, "configuration", lambda layers: config)
    return config


def items(corpus: Path) -> list[Item]:
    return [Item(name, corpus / "clips" / name, tuple(Segment(*phone) for phone in PHONES)) for name in NAMES]


def training(corpus: Path, config: HubertConfig, state: Path) -> Training:
    recipe, precision = EncoderRecipe(epochs=2, batch_size=4), Precision("fp32", torch.device("cpu"))
    return Training(items(corpus)[:-1], items(corpus)[-1:], config, recipe, state, precision, checkpoint_steps=1)


def stopping(steps: Iterable[None], total: int) -> Iterator[None]:
    for number, step in enumerate(steps):
        yield step
        if number == 1:
            raise Killed


def test_labels_follow_the_frames_that_the_encoder_gives(corpus: Path, tiny: HubertConfig) -> None:
    wav, phones = whole(items(corpus)[0])
    scores_BTK = content_encoder.PhoneClassifier(tiny)(torch.from_numpy(wav)[None])
    assert scores_BTK.shape[1:] == (len(phones), len(NAMES_OF_PHONES))


def test_a_crop_that_is_played_faster_keeps_its_phones_in_step(corpus: Path) -> None:
    wav = np.zeros(32_000, np.float32)
    _, phones = labelled(wav, [Segment("pau", 0.5), Segment("aa", 2.0)])
    assert sum(NAMES_OF_PHONES[phone] == "pau" for phone in phones) == 25
    one, other = (crop(items(corpus)[0], np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1] == other[1] and len(one[0]) == 32_000
    # All that was said, and the silence that fills the crop up.
    assert {NAMES_OF_PHONES[phone] for phone in one[1]} == {"pau", "hh", "ax", "l", "ow"}


def test_killed_and_resumed_equals_never_killed(corpus: Path, tiny: HubertConfig, tmp_path: Path) -> None:
    training(corpus, tiny, tmp_path / "whole").run()
    with pytest.raises(Killed):
        training(corpus, tiny, tmp_path / "killed").run(stopping)
    training(corpus, tiny, tmp_path / "killed").run()
    for name in ("metrics.jsonl", "weights/encoder_e2_s4.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_stage_gives_an_encoder_that_the_other_stages_load(
    corpus: Path, tiny: HubertConfig, tmp_path: Path
) -> None:
    ledger = train_content_encoder(
        corpus / "clips",
        corpus / "transcripts",
        tmp_path / "encoder",
        tmp_path / "state",
        recipe=EncoderRecipe(epochs=15, batch_size=8, learning_rate=3e-3),
    )
    rows = [json.loads(row) for row in (tmp_path / "encoder" / "metrics.jsonl").read_text().splitlines()]
    steps = [row["loss"] for row in rows if "loss" in row]
    assert steps[-1] < 0.8 * steps[0] and ledger.kept == len(NAMES)
    model = hubert.load(tmp_path / "encoder" / "hubert")
    quiet, loud = (hubert.features(model, gain * speech(1.0)) for gain in (1.0, 1000.0))
    assert quiet.shape == (1, 768, 49)
    # As the dataset lets it hear: far louder than it was taught. Rounding that differs with where a buffer lies makes
    # another encoder of each training, in some of which single values differ by 0.2.
    assert (loud - quiet).abs().mean() < 0.02 * quiet.abs().mean()
