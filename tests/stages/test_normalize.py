import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import levels, reading
from voicemill.stages.normalize import normalize


def test_each_recordings_cleanest_version_is_levelled_to_mono(tmp_path):
    folders = {name: tmp_path / name for name in ("vocals", "dereverbed", "denoised")}
    for position, (folder, names) in enumerate(zip(folders.values(), ("abc", "bc", "c"), strict=True)):
        folder.mkdir()
        for name in names:
            wave = np.stack([speech(1, skip=position)] * 2) * np.float32(0.1)
            reading.write_wav(folder / f"{name}.wav", wave, 22_050)
    ledger = normalize(folders["vocals"], tmp_path / "out", folders["dereverbed"], folders["denoised"])
    assert ledger.kept == 3
    for position, name in enumerate("abc"):
        audio = reading.read(tmp_path / "out" / f"{name}.wav")
        assert (audio.channels, audio.rate, audio.seconds) == (1, 22_050, 16_000 / 22_050)
        assert levels.peak_dbfs(audio.samples) == pytest.approx(-7.5, abs=0.01)
        assert np.corrcoef(audio.samples[0], speech(1, skip=position))[0, 1] > 0.999


@pytest.mark.parametrize("channels", [[1, -1], [1, 0]])
def test_speech_in_odd_stereo_is_not_lost(tmp_path, channels):
    (tmp_path / "vocals").mkdir()
    reading.write_wav(
        tmp_path / "vocals" / "a.wav", np.stack([speech(1) * np.float32(gain) for gain in channels]), 16_000
    )
    normalize(tmp_path / "vocals", tmp_path / "out")
    assert levels.peak_dbfs(reading.read(tmp_path / "out" / "a.wav").samples) == pytest.approx(-7.5, abs=0.01)
