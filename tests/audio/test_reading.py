"""Any file is read, fixed or refused with its reason."""

import errno
import resource
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile

from tests.speech import speech
from voicemill.audio import reading
from voicemill.core.errors import InputError


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 0.01),
        ("wav", "PCM_16", 1e-4),
        ("wav", "PCM_24", 1e-6),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 1e-7),
        ("wav", "ULAW", 0.02),
        ("aiff", "PCM_16", 1e-4),
        ("flac", "PCM_24", 1e-6),
        ("ogg", "VORBIS", 0.15),
        ("opus", "OPUS", 0.3),
        ("mp3", "MPEG_LAYER_III", 0.15),
    ],
)
def test_every_format_of_libsndfile_gives_the_same_speech(tmp_path, suffix, subtype, tolerance):
    wave = speech(2)
    container = {"ogg": "OGG", "opus": "OGG", "mp3": "MP3"}.get(suffix, suffix.upper())
    soundfile.write(tmp_path / f"x.{suffix}", wave, 16_000, subtype, format=container)
    audio = reading.read(tmp_path / f"x.{suffix}")
    rate = audio.rate
    same = reading.resample(audio.samples[0], rate, 16_000)[: len(wave)]
    assert np.abs(same - wave[: len(same)]).max() <= tolerance
    assert abs(audio.seconds - 2) < 0.1


@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("webm", "libopus"), ("mka", "pcm_s16le")])
def test_what_libsndfile_cannot_read_ffmpeg_does(tmp_path, suffix, codec):
    wave = np.tile(speech(2), (2, 3))[:, : 2 * 48_000].astype(np.float32)
    with av.open(str(tmp_path / f"x.{suffix}"), "w") as container:
        track = container.add_stream(codec, rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        converter = av.AudioResampler(
            format=track.format, layout="stereo", rate=48_000, frame_size=track.codec_context.frame_size
        )
        for part in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    audio = reading.read(tmp_path / f"x.{suffix}")
    assert (audio.channels, audio.rate) == (2, 48_000)
    assert abs(audio.seconds - 2) < 0.1
    assert 0.3 < np.abs(audio.samples).max() < 0.8


def test_the_content_decides_and_not_the_extension(tmp_path):
    soundfile.write(tmp_path / "good.flac", speech(1), 16_000)
    (tmp_path / "good.flac").rename(tmp_path / "really_flac.mp3")
    assert reading.read(tmp_path / "really_flac.mp3").seconds == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"just words\n" * 50, "it holds text"),
        ("Не звук, а текст: слово за словом.".encode() * 200, "it holds text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "it holds a web page"),
        (np.random.default_rng(0).bytes(5000), "not audio"),
        (b"fLaC" + np.random.default_rng(1).bytes(5000), "not audio"),
    ],
)
def test_what_is_not_audio_is_refused_with_what_it_is(tmp_path, content, reason):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        reading.read(tmp_path / "x.wav")


def wav_bytes(wave: np.ndarray, rate: int = 16_000, channels: int = 1, size: int | None = None) -> bytes:
    data = (wave * 32767).astype("<i2").tobytes()
    size = len(data) if size is None else size
    description = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 0)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + description
        + (b"data" + struct.pack("<I", size) + data)
    )


def test_broken_wav_headers_are_told_apart(tmp_path):
    path = tmp_path / "x.wav"
    for content, reason in [
        (wav_bytes(speech(1))[:20], "truncated"),
        (wav_bytes(speech(1))[:38], "truncated"),
        (wav_bytes(speech(1), rate=0), "sampling rate 0"),
        (wav_bytes(speech(1), channels=0), "0 channels"),
        (wav_bytes(speech(1)[:0]), "without samples"),
        (wav_bytes(speech(1), rate=4_000), "4000 Hz"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=reason):
            reading.read(path)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 10**6])
def test_a_wav_that_lies_about_its_length_is_read_to_its_end_with_a_note(tmp_path, size):
    wave = speech(1)
    (tmp_path / "x.wav").write_bytes(wav_bytes(wave, size=size))
    audio = reading.read(tmp_path / "x.wav")
    assert np.abs(audio.samples[0] - wave).max() < 1e-4
    assert audio.notes[0].startswith(
        "truncated: the header declares 1000000 bytes" if size == 10**6 else "streamed WAV"
    )


def test_a_damaged_flac_gives_what_is_left_with_a_note(tmp_path):
    soundfile.write(tmp_path / "x.flac", speech(3), 16_000)
    whole = (tmp_path / "x.flac").read_bytes()
    (tmp_path / "x.flac").write_bytes(whole[: len(whole) * 6 // 10])
    audio = reading.read(tmp_path / "x.flac")
    assert 1 < audio.seconds < 3
    assert any("truncated" in note for note in audio.notes)


def test_numbers_that_are_none_become_silence_and_too_many_are_refused(tmp_path):
    wave = speech(1).copy()
    wave[100:110] = np.nan
    wave[200] = -np.inf
    wave[300] = 1e30
    soundfile.write(tmp_path / "x.wav", wave, 16_000, "FLOAT")
    audio = reading.read(tmp_path / "x.wav")
    assert np.isfinite(audio.samples).all()
    assert audio.notes == ("12 samples were NaN, infinite or beyond 1e+09 and were set to 0",)
    wave[:4000] = np.nan
    soundfile.write(tmp_path / "x.wav", wave, 16_000, "FLOAT")
    with pytest.raises(InputError, match="NaN"):
        reading.read(tmp_path / "x.wav")


def test_mixing_down_loses_no_speech():
    wave = speech(1)
    zero = np.zeros_like(wave)
    assert np.array_equal(reading.to_mono(np.stack([wave, wave]))[0], wave)
    for channels in ([wave, -wave], [wave, zero], [zero, zero, wave, zero, zero, zero]):
        mono, note = reading.to_mono(np.stack(channels))
        assert np.array_equal(mono, wave) and note
    mono, note = reading.to_mono(np.stack([wave, wave * 0.5]))
    assert np.allclose(mono, wave * 0.75) and note is None


def test_a_written_file_is_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / ("x" * 250 + ".wav")
    reading.write_wav(path, speech(1) * 3, 16_000)
    assert np.array_equal(reading.read(path).samples[0], speech(1) * 3)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(soundfile.LibsndfileError):
        reading.write_wav(tmp_path / "bad.wav", speech(1), 0)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("subtype", "comment"), [("FLOAT", None), ("FLOAT", "text"), ("PCM_16", "text")])
def test_equal_sound_is_equal_bytes_whenever_it_is_written(tmp_path, subtype, comment):
    """libsndfile would put the second of writing into the PEAK chunk of a float file."""
    for name in ("a.wav", "b.wav"):
        reading.write_wav(tmp_path / name, speech(1), 16_000, subtype, comment)
        time.sleep(1.01 - time.time() % 1)
    content = (tmp_path / "a.wav").read_bytes()
    assert b"PEAK" not in content[:200]
    assert content == (tmp_path / "b.wav").read_bytes()


def test_resampling_keeps_length_and_pitch():
    times = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    same = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    for resampled in (
        reading.resample(tone, 44_100, 16_000),
        reading.resample(np.stack([tone, tone]), 44_100, 16_000)[1],
    ):
        assert resampled.shape == (16_000,)
        assert np.abs(resampled - same)[100:-100].max() < 1e-3


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.wav does not exist"):
        reading.read(Path(tmp_path, "gone.wav"))


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Path]:
    """A folder in which files do not grow beyond a page, as on a disk that is about to be full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("free", "error"), [(0, OSError), (1 << 30, soundfile.LibsndfileError)])
def test_a_full_disk_is_told_from_other_errors_of_the_system(limited, monkeypatch, free, error):
    monkeypatch.setattr(reading.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(error) as raised:
        reading.write_wav(limited / "x.wav", speech(1), 16_000)
    assert getattr(raised.value, "errno", None) == (errno.ENOSPC if error is OSError else None)
    assert list(limited.iterdir()) == []
