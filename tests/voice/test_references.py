"""Reference clips by name: in voice.json, from a folder on import, proposed from the speaker's clips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.speech import speech
from tests.voice.conftest import reference, write_pair
from voicemill.audio.reading import write_wav
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.voice.importing import named_clips
from voicemill.voice.manifest import MANIFEST, parse_voice, read_voice
from voicemill.voice.moods import FEWEST_CLIPS, measures, propose

RATE = 16_000


def glide(f0: float, loudness: float = 0.3, seconds: float = 4.0) -> np.ndarray:
    """A buzz with syllables: a pulse train through a decay, 4 a second."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f0 * k * time) / k for k in range(1, 12))
    return (loudness * wave / 2 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def clips(folder: Path) -> list[dict]:
    """Twenty usual clips, and three of each of two unusual manners."""
    random, rows = np.random.default_rng(0), []
    manners = [(120.0, 0.3, 50)] * 20 + [(240.0, 0.3, 50)] * 3 + [(120.0, 0.3, 150)] * 3
    for number, (f0, loudness, letters) in enumerate(manners):
        name = f"{number:02d}.wav"
        sound = glide(f0 * random.uniform(0.98, 1.02), loudness * random.uniform(0.95, 1.05))
        write_wav(folder / name, sound, RATE, "PCM_16")
        rows.append({"clip": name, "seconds": 4.0, "text": "a" * letters, "language": "EN", "flags": []})
    return rows


@pytest.fixture
def voice(voicemill, tmp_path: Path) -> Path:
    """An imported voice with two named references, one of them without its words."""
    sovits, gpt = write_pair(tmp_path, "v2")
    folder = tmp_path / "moods"
    folder.mkdir()
    for number, name in enumerate(("happy.wav", "sad.flac")):
        soundfile.write(folder / name, speech(3.5, skip=number), RATE)
    (folder / "happy.txt").write_text("What a day!\n")
    (folder / "notes.md").write_text("not a clip")
    arguments = ("--speaker", "ada", "--language", "en", "--references", folder, "--out", tmp_path / "voice")
    assert voicemill("voices", "import", sovits, gpt, "--reference", reference(tmp_path), *arguments) == 0
    return tmp_path / "voice"


def test_a_folder_of_named_clips_is_imported(voice: Path):
    read = read_voice(voice)
    assert {name: (clip.file, clip.text) for name, clip in read.references.items()} == {
        "happy": ("references/happy.wav", "What a day!"),
        "sad": ("references/sad.wav", ""),
    }
    assert all(file_digest(voice / clip.file) == clip.sha256 for clip in read.references.values())
    assert read.references["happy"].seconds == 3.5


def test_a_named_clip_that_was_changed_is_noticed(voice: Path):
    (voice / "references" / "sad.wav").write_bytes(b"other")
    with pytest.raises(InputError, match=r"sad\.wav is missing or was changed"):
        read_voice(voice)


def test_a_voice_without_named_clips_has_the_manifest_that_it_always_had(voice: Path):
    fields = json.loads((voice / MANIFEST).read_text())
    assert set(fields["references"]) == {"happy", "sad"}
    plain = replace(read_voice(voice), references={})
    plain.write(voice)
    assert "references" not in json.loads((voice / MANIFEST).read_text())
    assert read_voice(voice) == plain


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden", "x" * 41, "a/b", "-x"])
def test_names_that_are_no_file_names_are_refused(voice: Path, name: str):
    fields = json.loads((voice / MANIFEST).read_text())
    fields["references"] = {name: fields["references"]["sad"]}
    with pytest.raises(InputError, match="names a reference"):
        parse_voice(json.dumps(fields), "voice.json")


def test_folders_that_name_nothing_or_one_name_twice_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="has no recordings"):
        named_clips(tmp_path)
    (tmp_path / "happy.wav").write_bytes(b"")
    (tmp_path / "happy.flac").write_bytes(b"")
    with pytest.raises(InputError, match="two recordings happy"):
        named_clips(tmp_path)


def test_clips_that_are_spoken_otherwise_are_proposed_by_what_differs(tmp_path: Path):
    rows = clips(tmp_path)
    found = propose(tmp_path, rows, most=6)
    assert int(found["high"]["clip"][:2]) in (20, 21, 22)
    assert int(found["fast"]["clip"][:2]) in (23, 24, 25)
    assert int(found["neutral"]["clip"][:2]) < 20
    assert propose(tmp_path, rows, most=6) == found
    assert list(found) == ["fast", "high", "neutral"] or list(found) == ["high", "fast", "neutral"]
    assert list(propose(tmp_path, rows, most=2)) == [next(iter(found)), "neutral"]
    assert propose(tmp_path, rows[:20], most=6) == {}


def test_nothing_is_proposed_of_few_clips_or_of_flagged_ones(tmp_path: Path):
    rows = clips(tmp_path)
    assert propose(tmp_path, rows[: FEWEST_CLIPS - 1], most=4) == {}
    assert propose(tmp_path, [row | {"flags": ["short"]} for row in rows], most=4) == {}
    assert propose(tmp_path, [row | {"seconds": 2.0} for row in rows], most=4) == {}


def test_pitch_loudness_and_pace_are_measured(tmp_path: Path):
    write_wav(tmp_path / "a.wav", glide(150), RATE, "PCM_16")
    write_wav(tmp_path / "b.wav", glide(300, 0.15), RATE, "PCM_16")
    low, high = measures(tmp_path / "a.wav", "a" * 40), measures(tmp_path / "b.wav", "a" * 80)
    assert low is not None
    assert high is not None
    assert 2 ** low[0] == pytest.approx(150, rel=0.02)
    assert high - low == pytest.approx([1.0, -6.0, 1.0], abs=0.1)
    write_wav(tmp_path / "c.wav", np.zeros(4 * RATE, np.float32), RATE, "PCM_16")
    assert measures(tmp_path / "c.wav", "silent") is None
