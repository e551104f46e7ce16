import json

import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import reading
from voicemill.stages.assess_quality import assess_quality


@pytest.fixture
def vocals(tmp_path):
    (tmp_path / "vocals").mkdir()
    clean = speech(6)
    noise = np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32) * clean.std() / 2
    reading.write_wav(tmp_path / "vocals" / "clean.wav", clean, 16_000)
    reading.write_wav(tmp_path / "vocals" / "noisy.wav", clean + noise, 16_000)
    return tmp_path / "vocals"


def test_the_gates_open_for_those_that_need_it(vocals):
    ledger = assess_quality(vocals, vocals.parent / "measures.json")
    measures = json.loads((vocals.parent / "measures.json").read_text())
    assert {name: row["denoise"] for name, row in measures.items()} == {"clean": False, "noisy": True}
    assert measures["noisy"]["bak"] < measures["clean"]["bak"]
    assert (ledger.summary()["denoise"], ledger.summary()["dereverb"]) == (1, 0)


def test_always_and_never_do_not_ask(vocals):
    ledger = assess_quality(vocals, vocals.parent / "measures.json", dereverb="always", denoise="never")
    assert (ledger.summary()["denoise"], ledger.summary()["dereverb"]) == (0, 2)
