"""identify-speakers: several people are told and, where a sample is given, only its speaker goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.test_speakers import clip
from tests.shared import SHARED
from tests.speech import DEMO_SPEAKER
from voicemill.audio.reading import read_mono, write_wav
from voicemill.core.errors import InputError
from voicemill.evaluation import speaker_selection
from voicemill.evaluation.speakers import Windows
from voicemill.stages.identify_speakers import identify_speakers

RATE = 16_000
PEOPLE = {"a_0000000000_0000032000": (1,), "a_0000032000_0000064000": (1,), "b_0000000000_0000032000": (2,)}
PEOPLE |= {"b_0000032000_0000064000": (1, 2), "b_0000064000_0000096000": (), "c_0000000000_0000032000": (1,)}


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clips whose first sample tells who speaks in them, so that no encoder is needed."""
    folder = tmp_path / "clips"
    folder.mkdir()
    persons = [*PEOPLE.values(), (2, 2), (5, 5)]
    names = [*(folder / f"{name}.wav" for name in PEOPLE), tmp_path / "sample.wav", tmp_path / "stranger.wav"]
    for number, path in enumerate(names):
        write_wav(path, np.full(RATE, (number + 1) / 100, np.float32), RATE, "FLOAT")

    def embed(samples: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
        number = round(float(samples[0]) * 100) - 1
        found = clip(*persons[number], seed=number) if persons[number] else Windows(np.zeros((0, 256)), 0.0)
        return found.embeddings, found.seconds

    monkeypatch.setattr(speaker_selection, "embed_windows", embed)
    return folder


def test_several_people_are_told_with_minutes_and_nothing_is_dropped(
    clips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ledger = identify_speakers(clips, tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted(f"{name}.wav" for name in PEOPLE)
    summary = ledger.summary()
    assert summary["speakers"] == 2
    assert summary["minutes"] == {"1": round(4 * 3.6 / 60, 2), "2": round(2 * 3.6 / 60, 2)}
    assert summary["recordings_with_several"] == ["b"]
    assert "2 people seem to speak in the clips (speaker 1 0.2 min, speaker 2 0.1 min)" in caplog.text
    entries = {entry["item"]: entry for entry in ledger.entries}
    assert entries["b_0000032000_0000064000.wav"]["speech"] == {"1": 3.6, "2": 3.6}
    assert entries["b_0000064000_0000096000.wav"]["speaker"] == 0


def test_a_sample_keeps_its_speaker_and_drops_the_others_with_the_reason(clips: Path, tmp_path: Path) -> None:
    ledger = identify_speakers(clips, tmp_path / "kept", speaker_of=str(tmp_path / "sample.wav"))
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["b_0000000000_0000032000.wav"]
    reasons = {entry["item"][:-4]: entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"}
    assert reasons["a_0000000000_0000032000"] == "another person speaks in it (speaker 1; the sample is of speaker 2)"
    assert reasons["b_0000032000_0000064000"] == "another person speaks in it too (speaker 1, 3.6 of 7.2 s)"
    assert reasons["b_0000064000_0000096000"] == "too little speech to tell who speaks"
    assert len(reasons) == 5


def test_a_sample_of_somebody_who_is_not_there_is_refused(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the speaker of stranger\.wav is not in the clips"):
        identify_speakers(clips, tmp_path / "kept", speaker_of=str(tmp_path / "stranger.wav"))
    assert not (tmp_path / "kept").exists()


def test_one_person_is_one_and_goes_on_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for number, name in enumerate(("01_river_walk", "04_winter")):
        sound = read_mono(DEMO_SPEAKER / f"{name}.ogg", RATE)[: 8 * RATE]
        write_wav(clips / f"r{number}.wav", sound, RATE, "PCM_16")
    ledger = identify_speakers(clips, tmp_path / "kept")
    assert ledger.summary()["speakers"] == 1
    assert ledger.kept == 2 and not caplog.records


@pytest.mark.skipif(SHARED is None, reason="no recordings of two people: needs the shared speech samples")
@pytest.mark.parametrize("name", ["in_turn", "overlapped"])
def test_two_people_in_one_recording_are_found(tmp_path: Path, name: str) -> None:
    assert SHARED
    clips = tmp_path / "clips"
    clips.mkdir()
    sound = read_mono(SHARED / "data" / "hard" / "two_speakers" / f"{name}.flac", RATE)
    write_wav(clips / "both.wav", sound, RATE, "PCM_16")
    ledger = identify_speakers(clips, tmp_path / "kept")
    assert ledger.summary()["speakers"] == 2
    assert ledger.summary()["recordings_with_several"] == ["both"]
    with pytest.raises(InputError, match="0 clips left, at least 1 needed"):
        sample = SHARED / "data" / "en_lj" / "LJ001-0001.flac"
        identify_speakers(clips, tmp_path / "again", speaker_of=str(sample))
