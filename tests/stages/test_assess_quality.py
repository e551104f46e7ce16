import json

import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import quality, reading, separation
from voicemill.audio.recordings import overlay
from voicemill.contract import Ledger
from voicemill.core.errors import InputError
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


@pytest.fixture
def separated(tmp_path, vocals):
    """Clean recordings as separate passes them on, with what it measured."""
    (tmp_path / "passed").mkdir()
    reading.write_wav(vocals / "silent.wav", np.zeros(16_000, np.float32), 16_000)
    separation.pass_by(Ledger(), overlay(vocals), tmp_path / "passed", "auto")
    assert sorted(path.name for path in (tmp_path / "passed").iterdir()) == ["clean.wav", "quality.json", "silent.wav"]
    return tmp_path / "passed"


@pytest.fixture
def heard(monkeypatch):
    """Lengths of what DNSMOS hears."""
    lengths: list[int] = []

    def watched(samples):
        lengths.append(len(samples))
        return dnsmos(samples)

    dnsmos = quality.dnsmos
    monkeypatch.setattr(quality, "dnsmos", watched)
    return lengths


def test_what_separate_measured_is_not_measured_again(separated, heard):
    assess_quality(separated, separated.parent / "known.json")
    assert not heard
    (separated / "quality.json").unlink()
    assess_quality(separated, separated.parent / "measured.json")
    assert heard
    assert (separated.parent / "known.json").read_text() == (separated.parent / "measured.json").read_text()


def test_a_recording_that_was_changed_since_is_measured_again(separated, heard):
    reading.write_wav(separated / "silent.wav", np.full(16_000, 0.1, np.float32), 16_000)
    assess_quality(separated, separated.parent / "measures.json")
    assert len(heard) == 1


@pytest.mark.parametrize("text", ["{", '{"clean": {"sha256": 1}}', "[]"])
def test_damaged_measures_of_separate_are_refused_with_what_to_do(separated, text):
    (separated / "quality.json").write_text(text)
    with pytest.raises(InputError, match=r"quality\.json.*delete it, and all is measured again"):
        assess_quality(separated, separated.parent / "measures.json")
