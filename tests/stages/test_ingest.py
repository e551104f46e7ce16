"""Every file of the source is taken or dropped with a reason, and too little in all is an error."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.audio.fuzz import encode
from tests.speech import speech
from voicemill.audio import reading, recordings
from voicemill.audio.resampling import resample
from voicemill.contract import Ledger
from voicemill.core.errors import InputError, TryAgain
from voicemill.stages.ingest import ingest
from voicemill.storage import open_store


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def outcomes(ledger: Ledger) -> dict[str, str]:
    """Reason, or "kept", by item."""
    return {entry["item"]: entry.get("reason", "kept") for entry in ledger.entries}


def run(source, **options) -> Ledger:
    return ingest(source.parent / "audio", source=str(source), **{"min_minutes": 0.0, **options})


def test_folders_names_and_duplicates(source):
    awkward = [
        "a/take.wav",
        "b/take.wav",
        "b/copy.wav",
        ".hidden.wav",
        "$(touch x) `y` |;&*?\\.wav",
        "中文 文件.wav",
        "plain",
    ]
    for position, name in enumerate(awkward):
        path = source / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, speech(2, skip=0 if "copy" in name else position), 16_000, format="WAV")
    (source / "b" / "copy.wav").write_bytes((source / "a" / "take.wav").read_bytes())
    found = outcomes(run(source))
    assert set(found) == set(awkward)
    assert found.pop("b/copy.wav") == "duplicate of a/take.wav"
    assert set(found.values()) == {"kept"}
    audio = source.parent / "audio"
    manifest = recordings.read_manifest(audio)
    assert {recording.source for recording in manifest.values()} == set(found)
    assert {path.stem for path in audio.glob("*.wav")} == set(manifest)
    assert not (source / "x").exists() and not (source.parent / "x").exists()


def test_the_samples_of_mono_and_stereo_arrive_as_they_were(source):
    stereo = np.stack([speech(2), speech(2, skip=3)], axis=1) * 2
    soundfile.write(source / "a.wav", stereo, 22_050, "FLOAT")
    soundfile.write(source / "b.flac", np.tile(resample(speech(2), 16_000, 48_000)[:, None], 6), 48_000, "PCM_24")
    run(source)
    audio = {path.stem[0]: reading.read(path) for path in (source.parent / "audio").glob("*.wav")}
    assert np.array_equal(audio["a"].samples, stereo.T) and audio["a"].rate == 22_050
    assert (audio["b"].channels, audio["b"].rate) == (1, 48_000)


def test_what_cannot_be_used_is_dropped_with_its_reason(source):
    noise = np.random.default_rng(0).standard_normal(32_000) * 0.1
    for name, wave in {"ok": speech(2), "short": speech(0.2), "zeros": np.zeros(32_000), "noise": noise}.items():
        soundfile.write(source / f"{name}.wav", wave, 16_000)
    (source / "text.wav").write_text("no audio")
    (source / "empty.wav").touch()
    (source / "transcripts.csv").write_text("file|text\nok.wav|hello\n")
    (source / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert outcomes(run(source)) == {
        "ok.wav": "kept",
        "short.wav": "too short: 0.20 s; a clip needs at least 0.6 s",
        "zeros.wav": "no speech: every sample is zero",
        "noise.wav": "no speech: only silence, noise or music was found in it",
        "text.wav": "text.wav is not audio: it holds text",
        "empty.wav": "empty.wav is an empty file (0 bytes)",
        "transcripts.csv": "skipped: not audio by design (a transcript, notes or a system file beside the recordings)",
        ".DS_Store": "skipped: not audio by design (a transcript, notes or a system file beside the recordings)",
    }


@pytest.mark.parametrize(
    "error",
    [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "in a tag"),
        OSError(5, "Input/output error"),
        AttributeError("no codec"),
        ValueError("array is too big"),
        MemoryError("cannot allocate 1 PiB"),
        PermissionError(13, "Permission denied"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_reading_one_file_raises_drops_that_file_alone(source, monkeypatch, error):
    soundfile.write(source / "a.wav", speech(2), 16_000)
    soundfile.write(source / "b.wav", speech(2, skip=2), 16_000)
    decode = reading._decode

    def fails(path, track):
        if path.name == "b.wav":
            raise error
        return decode(path, track)

    monkeypatch.setattr(reading, "_decode", fails)
    found = outcomes(run(source))
    assert found["a.wav"] == "kept" and found["b.wav"].startswith("b.wav cannot be read: ")
    assert ingest.run(["--source", str(source), "--audio", str(source.parent / "more"), "--min-minutes", "0"]) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(28, "No space left on device"), 73), (TryAgain("S3 cannot be reached"), 75)],
    ids=["full", "s3"],
)
def test_what_is_no_fault_of_the_file_still_ends_the_stage(source, monkeypatch, error, code):
    soundfile.write(source / "a.wav", speech(2), 16_000)

    def fails(path, track):
        raise error

    monkeypatch.setattr(reading, "_decode", fails)
    assert ingest.run(["--source", str(source), "--audio", str(source.parent / "audio"), "--min-minutes", "0"]) == code


def test_a_bug_behind_the_reading_is_not_hidden(source, monkeypatch):
    soundfile.write(source / "a.wav", speech(2), 16_000)
    monkeypatch.setattr(reading, "write_wav", lambda *_: {}["bug"])
    with pytest.raises(KeyError):
        run(source)


def test_a_track_that_is_not_there_drops_its_file(source):
    encode(source / "two.mka", np.stack([speech(2), speech(2, skip=2)]), "aac", 16_000)
    soundfile.write(source / "one.wav", speech(2), 16_000)
    assert outcomes(run(source, track=2)) == {
        "two.mka": "kept",
        "one.wav": "one.wav has 1 audio track, but --track 2 was requested",
    }


def test_too_little_ends_with_65_the_figure_and_no_output(source):
    soundfile.write(source / "a.wav", speech(50), 16_000)
    (source / "empty.wav").touch()
    (source / "a-transcript.txt").write_text("a voice speaks\n")
    said = (
        r"50\.0 s of usable audio in 1 recordings, 70\.0 s short of the 2 minutes .*1 dropped; the first: empty\.wav: "
    )
    with pytest.raises(InputError, match=said) as error:
        run(source, min_minutes=2.0)
    assert error.value.exit_code == 65
    assert not (source.parent / "audio").exists()
    assert ingest.run(["--source", str(source), "--audio", str(source.parent / "audio")]) == 65


def test_nothing_usable_is_an_error_even_without_a_minimum(source):
    (source / "a.wav").write_text("no audio")
    with pytest.raises(InputError, match="0 recordings"):
        run(source)
    with pytest.raises(InputError, match="does not exist"):
        run(source / "gone")


def test_one_file_can_be_the_source(source):
    soundfile.write(source / "a.wav", speech(2), 16_000)
    assert outcomes(ingest(source.parent / "audio", source=str(source / "a.wav"), min_minutes=0.0)) == {"a.wav": "kept"}


def test_consent_is_on_record(source):
    soundfile.write(source / "a.wav", speech(2), 16_000)
    assert run(source, consent="Signed by A. on paper, file 12").summary()["consent"] is True
    record = json.loads((source.parent / "audio" / recordings.CONSENT).read_text())
    assert record == {"statement": "Signed by A. on paper, file 12"}


def test_a_name_that_is_no_utf8_survives(source):
    path = source / "caf\udce9.wav"
    soundfile.write(source / "a.wav", speech(2), 16_000)
    (source / "a.wav").rename(path)
    assert ingest.run(["--source", str(source), "--audio", str(source.parent / "audio"), "--min-minutes", "0"]) == 0
    rows = [json.loads(line) for line in (source.parent / "audio.ledger.jsonl").read_text().splitlines()]
    assert [row["item"] for row in rows] == ["caf\\xe9.wav"]


def test_recordings_come_from_s3(source, bucket, monkeypatch):
    monkeypatch.setenv("VOICEMILL_CACHE", str(source.parent / "cache"))
    soundfile.write(source / "a.wav", speech(2), 16_000)
    open_store(f"s3://{bucket}/in").upload(source / "a.wav", "中 one/a.wav")
    found = outcomes(ingest(source.parent / "audio", source=f"s3://{bucket}/in", min_minutes=0.0))
    assert found == {"中 one/a.wav": "kept"}


def test_a_stage_that_is_run_as_a_program_logs_under_its_own_name(source):
    soundfile.write(source / "a.wav", speech(5), 16_000)
    command = [sys.executable, "-m", "voicemill.stages.ingest", "--source", source, "--audio", source.parent / "audio"]
    environment = os.environ | {"VOICEMILL_LOG": "json"}
    done = subprocess.run([*command, "--min-minutes", "0"], env=environment, capture_output=True, text=True, check=True)
    loggers = {line["message"]: line["logger"] for line in map(json.loads, done.stderr.splitlines())}
    # By its name a stage's lines get their level: as `__main__` those of information would be left out.
    assert (
        loggers["no consent was recorded; record with --consent what the speaker agreed to"]
        == "voicemill.stages.ingest"
    )


def test_a_source_without_audio_names_what_was_ignored(source, tmp_path):
    for name in ("notes.txt", "a.lab", "b.lab", "c.lab", "d.lab", "e.lab"):
        (source / name).write_text("words")
    with pytest.raises(InputError, match="0 dropped; ignored: a.lab, b.lab, c.lab, d.lab, e.lab and 1 more"):
        ingest(tmp_path / "audio", source=str(source))
