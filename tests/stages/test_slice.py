import numpy as np
import pytest
import soundfile

from tests.speech import speech
from voicemill.audio import reading
from voicemill.core.errors import InputError
from voicemill.stages.slice import slice_clips


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
