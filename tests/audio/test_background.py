"""Music and noise behind a voice are found before separation; benchmarks/separation_gate.py has the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import background
from voicemill.audio.reading import read, write_wav
from voicemill.models.toy.separators import make_separators
from voicemill.stages.separate import separate

RATE = 16_000


def chords(samples: int) -> np.ndarray:
    """Chords that follow one another without a pause, of power 1."""
    time = np.arange(samples) / RATE
    roots = np.array([220.0, 174.6, 196.0])[np.arange(samples) // RATE % 3]
    music = np.sum([np.sin(2 * np.pi * roots * ratio * time) for ratio in (1, 1.25, 1.5, 2)], axis=0)
    return music / music.std()


def mixed(voice: np.ndarray, other: np.ndarray, below_db: float) -> np.ndarray:
    return (voice + other * voice.std() * 10 ** (-below_db / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return speech(20.0)


def test_a_voice_alone_needs_no_separation(voice: np.ndarray) -> None:
    found = background.measure(voice, RATE)
    assert not found.needs_separation and found.level_db < background.LOUDEST_CLEAN_DB
    assert "the pauses are quiet" in found.reason


@pytest.mark.parametrize("below_db", [0, 10, 20])
def test_music_and_noise_behind_it_are_found(voice: np.ndarray, below_db: float) -> None:
    noise = np.random.default_rng(1).standard_normal(len(voice))
    for other in (chords(len(voice)), noise / noise.std()):
        found = background.measure(mixed(voice, other, below_db), RATE)
        assert found.needs_separation and "something sounds in the pauses" in found.reason


def test_music_under_a_part_of_it_is_found(voice: np.ndarray) -> None:
    jingle = chords(len(voice))
    jingle[10 * RATE :] = 0
    assert background.measure(mixed(np.tile(voice, 2), np.pad(jingle, (0, len(voice))), 15), RATE).needs_separation


def test_opposite_phases_do_not_hide_it_and_the_rate_does_not_matter(voice: np.ndarray) -> None:
    music = 0.1 * voice.std() * chords(len(voice))
    assert background.level_db(np.stack([voice + music, voice - music]), RATE) > background.LOUDEST_CLEAN_DB
    alone = background.level_db(voice[None], RATE)
    assert background.level_db(0.01 * np.repeat(voice, 2)[None], 2 * RATE) == pytest.approx(alone, abs=1.5)


def test_silence_and_the_shortest_recording_can_be_measured(voice: np.ndarray) -> None:
    assert background.level_db(np.zeros((1, RATE), dtype=np.float32), RATE) == background.SILENT_DB
    assert np.isfinite(background.level_db(voice[None, RATE : RATE + 160], RATE))


def recordings(folder: Path, voice: np.ndarray) -> Path:
    folder.mkdir()
    write_wav(folder / "clean.wav", np.stack([voice, voice]), RATE)
    write_wav(folder / "music.wav", mixed(voice, chords(len(voice)), 10), RATE)
    return folder


def test_the_stage_separates_what_needs_it_and_says_why(voice: np.ndarray, tmp_path: Path) -> None:
    make_separators(tmp_path / "models" / "separation")
    audio = recordings(tmp_path / "audio", voice[: 12 * RATE])
    (tmp_path / "vocals").mkdir()
    ledger = separate(audio, tmp_path / "vocals", models=str(tmp_path / "models"))
    entries = {entry["item"]: entry for entry in ledger.entries}
    assert entries["clean"]["separated"] is False and "the pauses are quiet" in entries["clean"]["because"]
    assert "level_change_db" in entries["music"] and ledger.kept == 2
    assert entries["music"]["separated"] and "something sounds in the pauses" in entries["music"]["because"]
    before, after = (read(folder / "clean.wav") for folder in (audio, tmp_path / "vocals"))
    assert before.rate == after.rate and np.array_equal(before.samples, after.samples)
    assert not np.array_equal(read(audio / "music.wav").samples, read(tmp_path / "vocals" / "music.wav").samples)


def test_where_nothing_is_separated_no_model_is_needed(voice: np.ndarray, tmp_path: Path) -> None:
    audio = recordings(tmp_path / "audio", voice[: 12 * RATE])
    (tmp_path / "vocals").mkdir()
    ledger = separate(audio, tmp_path / "vocals", models=str(tmp_path), when="never")
    assert [entry["because"] for entry in ledger.entries] == ["when=never"] * 2
    assert read(tmp_path / "vocals" / "music.wav").samples.shape == read(audio / "music.wav").samples.shape
