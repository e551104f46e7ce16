"""The watermark in the sound, and what `voicemill detect` says of files."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.speech import DEMO_SPEAKER
from voicemill.audio.reading import read_mono, write_wav
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.synthesis import detection, watermark, watermark_network
from voicemill.synthesis.detection import DOUBTFUL, SURE, inspect, read_provenance
from voicemill.synthesis.joining.encoding import encode
from voicemill.synthesis.marking import encode_marked_speech, provenance

RATE = 32_000
RECORDING = DEMO_SPEAKER / "01_river_walk.ogg"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Three seconds of the demo speaker."""
    return read_mono(RECORDING, RATE)[: 3 * RATE]


@pytest.fixture(scope="module")
def marked(speech: np.ndarray) -> np.ndarray:
    return watermark.apply(speech, RATE)


def pcm(samples: np.ndarray) -> np.ndarray:
    return (samples * 32767).astype(np.int16)


def wav(path: Path, samples: np.ndarray, mark: str = "resemble-perth 1.0.1") -> Path:
    path.write_bytes(
        encode_marked_speech(pcm(samples), RATE, speaker="ada", voice="v1", text="Hello.", seed=1, watermark=mark)
    )
    return path


def test_the_mark_is_that_of_the_package_itself(speech: np.ndarray, marked: np.ndarray):
    # Recorded from perth.PerthImplicitWatermarker 1.0.1: what it adds at five samples, and its scores.
    added = [float(marked[at] - speech[at]) for at in (10_000, 30_000, 50_000, 70_000, 90_000)]
    assert added == pytest.approx([4e-06, -0.009968, 0.021303, -0.000512, -0.013486], abs=2e-6)
    network = watermark_network.network()
    for samples, score in ((speech, 0.00176), (marked, 1.0)):
        levels = watermark.levels(watermark.spectrum(samples))
        assert network.score(torch.from_numpy(levels)) == pytest.approx(score, abs=1e-4)


def test_the_mark_is_found_in_noise_by_the_frames_that_stand_above_it(speech: np.ndarray, marked: np.ndarray):
    noise = np.random.default_rng(1).standard_normal(len(speech)).astype(np.float32)
    noise *= np.sqrt(np.mean(speech**2)) * 10 ** (-20 / 20)
    assert min(watermark_network.scores(marked + noise, RATE)) >= SURE
    assert max(watermark_network.scores(speech + noise, RATE)) < DOUBTFUL
    assert min(watermark_network.scores(marked, RATE)) > 0.9 and max(watermark_network.scores(speech, RATE)) < 0.1


def test_the_same_samples_are_marked_the_same_way_and_keep_their_length(speech: np.ndarray, marked: np.ndarray):
    assert np.array_equal(watermark.apply(speech, RATE), marked)
    assert marked.dtype == np.float32
    assert marked.shape == speech.shape
    assert np.abs(marked).max() <= 1


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_a_mark_made_at_one_rate_is_found_at_another(speech: np.ndarray, rate: int):
    there = watermark.apply(resample(speech, RATE, rate), rate)
    assert min(watermark_network.scores(there, rate)) > SURE
    assert min(watermark_network.scores(resample(there, rate, 22_050), 22_050)) > SURE


def test_silence_and_a_few_samples_pass_and_are_not_taken_for_marked():
    silence = np.zeros(2 * RATE, np.float32)
    assert np.abs(watermark.apply(silence, RATE)).max() < 1e-6
    assert watermark_network.scores(silence, RATE) == [0.0]
    assert watermark.apply(np.full(7, 0.5, np.float32), RATE).shape == (7,)
    assert watermark.apply(np.zeros(0, np.float32), RATE).shape == (0,)
    assert watermark_network.scores(silence[: RATE // 2], RATE) == []


def test_each_ten_seconds_have_a_score_of_their_own(speech: np.ndarray, marked: np.ndarray):
    ten = np.concatenate([speech] * 4)[: 10 * RATE]
    scores = watermark_network.scores(np.concatenate([ten, watermark.apply(ten, RATE)]), RATE)
    assert scores[0] < DOUBTFUL
    assert scores[1] > SURE


def test_speech_is_marked_where_the_package_is_installed_unless_it_is_turned_off(monkeypatch: pytest.MonkeyPatch):
    mark = watermark.mark()
    assert mark
    assert mark.name.startswith("resemble-perth ")
    assert watermark.mark("off") is None
    with pytest.raises(UsageError, match="auto, on or off, not 'maybe'"):
        watermark.mark("maybe")  # type: ignore[arg-type]
    monkeypatch.setattr(watermark, "is_installed", lambda: False)
    assert watermark.mark("auto") is None
    with pytest.raises(MissingModelError, match="resemble-perth is not installed; pip install"):
        watermark.mark("on")


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch, speech: np.ndarray):
    watermark_network.network.cache_clear()
    monkeypatch.setattr(watermark_network, "_SHA256", "0" * 64)
    with pytest.raises(InputError, match="not the weights of resemble-perth"):
        watermark.apply(speech, RATE)


def test_a_marked_file_is_found_by_its_sound_and_by_its_metadata(tmp_path: Path, marked: np.ndarray):
    finding = inspect(wav(tmp_path / "a.wav", marked))
    assert (finding.watermark, finding.pieces, finding.marked_pieces) == ("found", 1, 1)
    assert finding.provenance
    assert {key: finding.provenance[key] for key in ("speaker", "voice", "text", "seed", "watermark")} == {
        "speaker": "ada",
        "voice": "v1",
        "text": "Hello.",
        "seed": 1,
        "watermark": "resemble-perth 1.0.1",
    }
    of_sound, of_metadata = finding.sentences()
    assert "generated, by voicemill or by other software" in of_sound
    assert "says that it is generated (speaker ada" in of_metadata


def test_a_recording_is_not_taken_for_generated(tmp_path: Path, speech: np.ndarray):
    write_wav(tmp_path / "person.wav", speech, RATE, "PCM_16")
    finding = inspect(tmp_path / "person.wav")
    assert (finding.watermark, finding.marked_pieces, finding.provenance) == ("not found", 0, None)
    assert "cannot be known" in finding.sentences()[0]


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".m4b", ".ogg"])
def test_both_marks_survive_in_every_format_that_is_written(tmp_path: Path, marked: np.ndarray, ending: str):
    path, rate = tmp_path / f"line{ending}", 48_000 if ending == ".ogg" else RATE
    tags = {"comment": provenance(speaker="änna", text='"Ja", sagte Anna.')}
    encode(path, [resample(marked, RATE, rate)], rate, tags=tags)
    finding = inspect(path)
    assert finding.watermark == "found"
    assert finding.provenance
    assert finding.provenance["speaker"] == "änna"
    assert finding.provenance["text"] == '"Ja", sagte Anna.'


@pytest.mark.parametrize("comment", ["Recorded on the river.", '{"generated": "perhaps"}', "{", '["generated"]', "1"])
def test_comments_of_others_are_no_provenance(tmp_path: Path, speech: np.ndarray, comment: str):
    encode(tmp_path / "x.flac", [speech[:RATE]], RATE, tags={"comment": comment})
    assert read_provenance(tmp_path / "x.flac") is None


def test_files_that_are_no_audio_are_refused(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.wav").write_bytes(b"not audio at all" * 100)
    for name in ("a.wav", "b.wav", "c.wav"):
        with pytest.raises(InputError):
            inspect(tmp_path / name)


def test_without_the_package_the_metadata_is_read_all_the_same(
    tmp_path: Path, marked: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watermark, "is_installed", lambda: False)
    finding = inspect(wav(tmp_path / "a.wav", marked))
    assert (finding.watermark, finding.score) == ("not looked for", None)
    assert finding.provenance
    assert "pip install" in finding.sentences()[0]


def test_scores_become_verdicts():
    scores = [None, 0.0, DOUBTFUL, SURE - 0.01, SURE, 1.0]
    assert [detection.verdict(score) for score in scores] == [
        "too short",
        "not found",
        "unsure",
        "unsure",
        "found",
        "found",
    ]


def test_the_command_says_it_for_people_and_for_programs(
    tmp_path: Path,
    speech: np.ndarray,
    marked: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    from voicemill.cli import main as cli

    write_wav(tmp_path / "person.wav", speech, RATE, "PCM_16")
    files = [str(wav(tmp_path / "a.wav", marked)), str(tmp_path / "person.wav")]
    monkeypatch.setattr(sys, "argv", ["voicemill", "detect", "--json", *files])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["watermark"] for each in found] == ["found", "not found"]
    monkeypatch.setattr(sys, "argv", ["voicemill", "detect", *files])
    with pytest.raises(SystemExit):
        cli.main()
    assert "watermark: found (score 1.0" in capsys.readouterr().out
