"""What is in a file is what is decoded, whatever its header says; and nothing but the file is opened."""

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.fuzz import encode
from tests.speech import speech
from voicemill.audio import blocks, containers, reading
from voicemill.core.errors import InputError


def write_mp3(path: Path, seconds: float, rate: int = 16_000, **container: str) -> bytes:
    encode(path, speech(seconds), "libmp3lame", rate, container, {"b": "32000"})
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.opus", "a.flac", "a.aac", "a.wav"])
def test_glued_files_are_decoded_to_the_end_of_the_last(tmp_path, name):
    path = tmp_path / name
    if path.suffix in (".mp3", ".aac"):
        encode(path, speech(2), {".mp3": "libmp3lame", ".aac": "aac"}[path.suffix], 16_000)
    else:
        subtype = {".ogg": "VORBIS", ".opus": "OPUS"}.get(path.suffix, "PCM_16")
        container = {".flac": "FLAC", ".wav": "WAV"}.get(path.suffix, "OGG")
        soundfile.write(path, speech(2), 16_000, subtype, format=container)
    alone = reading.read(path).seconds
    path.write_bytes(path.read_bytes() * 3)
    # Each part brings the padding of its encoder.
    assert abs(reading.read(path).seconds - 3 * alone) < 0.25


def test_an_mp3_without_a_frame_count_has_its_whole_length_and_no_note(tmp_path):
    encode(
        tmp_path / "vbr.mp3",
        np.concatenate([speech(3), np.zeros(32_000, np.float32)]),
        "libmp3lame",
        44_100,
        {"write_xing": "0"},
        {"global_quality": "236", "flags": "+qscale"},
    )
    audio = reading.read(tmp_path / "vbr.mp3")
    assert abs(audio.seconds - 5) < 0.1 and audio.notes == ()


def test_a_rate_that_changes_on_the_way_keeps_length_and_pitch(tmp_path):
    parts = write_mp3(tmp_path / "a.mp3", 2, 16_000), write_mp3(tmp_path / "b.mp3", 2, 48_000)
    (tmp_path / "ab.mp3").write_bytes(b"".join(parts))
    audio = reading.read(tmp_path / "ab.mp3")
    first, second = reading.read(tmp_path / "a.mp3"), reading.read(tmp_path / "b.mp3")
    assert audio.rate == 16_000 and abs(audio.seconds - first.seconds - second.seconds) < 0.15
    assert "the format changes within the file" in audio.notes[0]
    found, alone = audio.samples[0, -40_000:], reading.resample(second.samples[0], 48_000, 16_000)
    size = len(found) + len(alone)
    correlation = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(alone, size)))
    assert correlation.max() > 0.9 * float(np.dot(alone, alone)), "the second part is as fast as it was"


@pytest.mark.parametrize(("name", "subtype"), [("x.mp3", "MPEG_LAYER_III"), ("x.ogg", "VORBIS"), ("x.flac", "PCM_16")])
def test_channels_that_change_on_the_way_come_in_the_first_layout(tmp_path, name, subtype):
    contents = []
    for wave in (speech(1), np.stack([speech(1), speech(1)], 1)):
        soundfile.write(tmp_path / name, wave, 16_000, subtype, format=name[2:].upper())
        contents.append((tmp_path / name).read_bytes())
    (tmp_path / name).write_bytes(b"".join(contents))
    audio = reading.read(tmp_path / name)
    assert audio.channels == 1 and abs(audio.seconds - 2) < 0.15
    assert "to stereo" in audio.notes[0]
    halves = np.array_split(audio.samples[0], 2)
    assert abs(np.abs(halves[0]).max() / np.abs(halves[1]).max() - 1) < 0.1


def test_a_cut_mp3_is_as_long_as_what_is_left_and_says_so(tmp_path):
    whole = write_mp3(tmp_path / "a.mp3", 4)
    assert reading.read(tmp_path / "a.mp3").notes == ()
    (tmp_path / "a.mp3").write_bytes(whole[: len(whole) // 2])
    audio = reading.read(tmp_path / "a.mp3")
    assert abs(audio.seconds - 2) < 0.1
    assert audio.notes == (f"truncated or damaged: {audio.seconds:.2f} of 4.00 s decoded",)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.aac", "aac", 22_050),
        ("a.m4a", "aac", 22_050),
        ("a.m4a", "alac", 16_000),
        ("a.caf", "alac", 22_050),
        ("a.mp3", "libmp3lame", 16_000),
        ("a.mka", "libopus", 48_000),
        ("a.webm", "libopus", 48_000),
        ("a.wma", "wmav2", 16_000),
        ("a.ts", "aac", 16_000),
        ("a.avi", "libmp3lame", 16_000),
        ("a.flv", "libmp3lame", 44_100),
        ("a.ac3", "ac3", 48_000),
        ("a.flac", "flac", 16_000),
        ("a.tta", "tta", 16_000),
        ("a.wv", "wavpack", 16_000),
    ],
)
def test_a_whole_file_has_no_note(tmp_path, name, codec, rate):
    encode(tmp_path / name, speech(1.9), codec, rate, {}, {"b": "32000"})
    audio = reading.read(tmp_path / name)
    assert audio.notes == ()
    assert abs(audio.seconds - 1.9) < 0.2


def with_flac_count(content: bytes, samples: int) -> bytes:
    """A FLAC file whose header says that it has so many samples."""
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    return content[:18] + packed.to_bytes(8, "big") + content[26:]


def test_sound_that_a_wav_header_leaves_out_is_named(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, speech(2), 16_000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 32_000)
    path.write_bytes(content)
    audio = reading.read(path)
    assert audio.seconds == 1
    assert audio.notes == ("32000 bytes after the audio that the header describes were ignored",)


@pytest.mark.parametrize(("claimed", "note"), [(0, False), (1 << 20, True), ((1 << 36) - 1, True), (16_000, False)])
def test_a_flac_is_as_long_as_its_frames_whatever_it_claims(tmp_path, claimed, note):
    path = tmp_path / "x.flac"
    soundfile.write(path, speech(2), 16_000)
    path.write_bytes(with_flac_count(path.read_bytes(), claimed))
    audio = reading.read(path)
    assert audio.seconds == 2
    assert bool(audio.notes) == note


def test_a_frame_that_fails_its_checksum_is_left_out_with_a_note(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, speech(3), 16_000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    audio = reading.read(path)
    assert 2 < audio.seconds < 3
    assert audio.notes[-1] == f"truncated or damaged: {audio.seconds:.2f} of 3.00 s decoded"


def test_a_small_file_that_decodes_to_gigabytes_is_refused_with_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "x.flac"
    soundfile.write(path, np.zeros((480_000, 8), np.int16), 48_000)
    assert reading.read(path).channels == 8
    monkeypatch.setattr(blocks, "MIN_SUSPECT_BYTES", 1 << 20)
    with pytest.raises(InputError, match=r"too long: it decodes to more than .* GiB of samples"):
        reading.read(path)


def test_blocks_give_back_what_was_added_in_any_pieces():
    collected = blocks.Blocks("x", 2, blocks.MAX_BYTES)
    whole = np.arange(2 * 3_000_000, dtype=np.float32).reshape(2, -1)
    for first, last in [(0, 1), (1, 1 << 20), (1 << 20, 2_900_000), (2_900_000, 3_000_000)]:
        collected.add(whole[:, first:last])
    joined = collected.join()
    assert np.array_equal(joined, whole) and joined.flags.c_contiguous


def two_tracks(path: Path, first: np.ndarray, second: np.ndarray) -> Path:
    encode(path, np.stack([first, second]), "aac", 16_000)
    return path


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.2)).astype(np.float32)


def test_of_several_tracks_the_one_with_speech_is_taken(tmp_path):
    path = two_tracks(tmp_path / "x.mka", tone(2), speech(2))
    audio = reading.read(path)
    assert audio.notes[0] == "track 2 of 2 was used"
    assert np.abs(audio.samples).max() > 0.4
    assert reading.read(two_tracks(tmp_path / "y.mka", speech(2), speech(2, 3))).notes[0] == "track 1 of 2 was used"
    silent = reading.read(two_tracks(tmp_path / "z.mka", tone(2), tone(2)))
    assert silent.notes[0] == "no speech was found in any of its 2 tracks"


def test_a_track_can_be_asked_for_and_must_be_there(tmp_path):
    path = two_tracks(tmp_path / "x.mka", tone(2), speech(2))
    assert reading.read(path, 1).notes[0] == "track 1 of 2 was used, as requested"
    with pytest.raises(InputError, match=r"x\.mka has 2 audio tracks, but --track 3 was requested"):
        reading.read(path, 3)
    soundfile.write(tmp_path / "y.wav", speech(1), 16_000)
    assert reading.read(tmp_path / "y.wav", 1).notes == ()
    with pytest.raises(InputError, match="has 1 audio track, but --track 2"):
        reading.read(tmp_path / "y.wav", 2)


def playlists(port: int, wav: Path) -> dict[str, bytes]:
    """Files that name other places, with a few bytes that keep them from being taken for text."""
    tail = b"\n\x01\x02"
    return {
        "hls": f"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST".encode() + tail,
        "hls-file": f"#EXTM3U\n#EXTINF:10,\nfile://{wav}\n#EXT-X-ENDLIST".encode() + tail,
        "concat": f"ffconcat version 1.0\nfile '{wav}'".encode() + tail,
        "concat-http": f"ffconcat version 1.0\nfile http://127.0.0.1:{port}/x.wav".encode() + tail,
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 0 RTP/AVP 0" + tail,
        "dash": f'<MPD type="static"><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>'.encode() + tail,
    }


@pytest.mark.parametrize("kind", ["hls", "hls-file", "concat", "concat-http", "sdp", "dash"])
def test_a_playlist_is_refused_and_opens_nothing(tmp_path, kind):
    wav = tmp_path / "other.wav"
    soundfile.write(wav, speech(2), 16_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = tmp_path / "x.wav"
        path.write_bytes(playlists(server.getsockname()[1], wav)[kind])
        opened = opened_meanwhile(lambda: pytest.raises(InputError, reading.read, path))
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not {name for name in opened if name.startswith("socket:") or name == str(wav)}
    with pytest.raises(InputError, match="which contains no audio itself"):
        reading.read(path)


def opened_meanwhile(work: Callable[[], object]) -> set[str]:
    """What the process opens, besides what is open already, while some work is done."""

    def open_files() -> set[str]:
        found = set()
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                found.add(str(descriptor.readlink()))
            except FileNotFoundError:
                continue
        return found

    before, seen, done = open_files(), set[str](), threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(open_files())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return seen - before


def test_no_demuxer_that_opens_other_files_is_allowed():
    import av.format

    known = {name for each in av.format.formats_available for name in each.split(",")}
    assert set(containers.FORMATS) - known <= {"xwma", "spx", "gsm"}, "names are libavformat's"
    assert not set(containers.FORMATS) & {
        "hls",
        "dash",
        "concat",
        "concatf",
        "sdp",
        "rtsp",
        "rtp",
        "sap",
        "imf",
        "lavfi",
    }


def test_wav_with_an_impossible_codec_or_tags_in_no_encoding(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, speech(1), 16_000)
    content = bytearray(path.read_bytes())
    content[20:22] = struct.pack("<H", 0x7FFE)
    path.write_bytes(content)
    with pytest.raises(InputError, match="not audio"):
        reading.read(path)
    encode(tmp_path / "x.m4a", speech(1), "aac", 16_000)
    content = (tmp_path / "x.m4a").read_bytes()
    (tmp_path / "x.m4a").write_bytes(content.replace(b"Lavf", b"\xc4\xe3\xba\xff"))
    assert reading.read(tmp_path / "x.m4a").seconds > 0.9
