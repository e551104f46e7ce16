import csv
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from stages.level import level
from stages.slice import slice_clips
from tests.shared import SHARED
from tests.speech import speech
from voicemill.audio import reading
from voicemill.errors import InputError


def spans(folder) -> list[tuple[float, float]]:
    parts = [path.stem.rsplit("_", 2) for path in sorted(folder.glob("*.wav"))]
    return [(int(start) / 32_000, int(end) / 32_000) for _, start, end in parts]


def test_clips_are_32_khz_mono_16_bit_and_named_by_their_samples(tmp_path):
    (tmp_path / "audio").mkdir()
    wave = np.concatenate([speech(5), np.zeros(48_000, np.float32), speech(5, skip=5)])
    reading.write_wav(tmp_path / "audio" / "one_two-01234567.wav", wave, 16_000)
    ledger = slice_clips(tmp_path / "audio", tmp_path / "clips", max_seconds=4.0)
    assert ledger.kept == len(list((tmp_path / "clips").iterdir())) >= 4
    for path in (tmp_path / "clips").iterdir():
        info = soundfile.info(path)
        recording, start, end = path.stem.rsplit("_", 2)
        assert (info.samplerate, info.channels, info.subtype) == (32_000, 1, "PCM_16")
        assert recording == "one_two-01234567" and info.frames == int(end) - int(start) <= 4 * 32_000
    summary = ledger.summary()
    assert summary["max_seconds"] == 4
    assert summary["seconds"] + summary["silence_seconds"] == pytest.approx(13, abs=0.02)


def test_a_folder_without_speech_is_an_error(tmp_path):
    (tmp_path / "audio").mkdir()
    reading.write_wav(tmp_path / "audio" / "a.wav", np.random.default_rng(0).standard_normal(64_000) * 0.1, 16_000)
    with pytest.raises(InputError, match="no speech: only noise or music"):
        slice_clips(tmp_path / "audio", tmp_path / "clips")


@pytest.mark.skipif(SHARED is None, reason="the collection is not on this machine")
def test_known_utterances_are_found_whole(tmp_path):
    assert SHARED
    source = SHARED / "data" / "hard" / "long" / "concat_pauses.flac"
    (tmp_path / "audio").mkdir()
    audio = reading.read(source)
    reading.write_wav(tmp_path / "audio" / "long.wav", audio.samples, audio.rate)
    level(tmp_path / "audio", tmp_path / "levelled")
    slice_clips(tmp_path / "levelled", tmp_path / "clips", max_seconds=15.0)
    clips = spans(tmp_path / "clips")
    with source.with_name("concat_pauses.segments.csv").open(encoding="utf-8") as stream:
        utterances = [(float(row["start_s"]), float(row["end_s"])) for row in csv.DictReader(stream, delimiter="|")]
    for start, end in utterances:
        covered = sum(max(0.0, min(end, clip_end) - max(start, clip_start)) for clip_start, clip_end in clips)
        # The recordings themselves begin and end with some silence.
        assert covered >= end - start - 0.6, (start, end)
    for (_, pause_start), (pause_end, _) in pairwise(utterances):
        for clip_start, clip_end in clips:
            # A clip only reaches over a pause where it would be shorter than 4 s without what follows.
            if pause_end - pause_start > 1 and clip_start < pause_start and pause_end < clip_end:
                assert pause_start - clip_start < 4
