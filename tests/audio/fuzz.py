"""Damaged recordings by the hundred: short speech in many containers, and seeded mutations of the files."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile

from tests.speech import speech
from voicemill.audio.resampling import resample

SECONDS = 2.0
_LIES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x7f\xff\xff\xff", b"\x80\0\0\0")

# Name -> libsndfile's format and subtype.
_SNDFILE = {
    "pcm16.wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "gsm.wav": ("WAV", "GSM610"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "pcm16.aiff": ("AIFF", "PCM_16"),
    "ulaw.au": ("AU", "ULAW"),
    "pcm24.caf": ("CAF", "PCM_24"),
    "pcm16.flac": ("FLAC", "PCM_16"),
    "vorbis.ogg": ("OGG", "VORBIS"),
}
# Name -> codec, rate, options of the container and of the codec.
_FFMPEG: dict[str, tuple[str, int, dict[str, str], dict[str, str]]] = {
    "cbr.mp3": ("libmp3lame", 16_000, {}, {"b": "32000"}),
    "vbr.mp3": ("libmp3lame", 44_100, {}, {"global_quality": "472", "flags": "+qscale"}),
    "noxing.mp3": ("libmp3lame", 16_000, {"write_xing": "0"}, {"global_quality": "472", "flags": "+qscale"}),
    "opus.opus": ("libopus", 48_000, {}, {"b": "24000"}),
    "flac.ogg": ("flac", 16_000, {}, {}),
    "aac.m4a": ("aac", 16_000, {}, {"b": "32000"}),
    "aac.aac": ("aac", 16_000, {}, {"b": "32000"}),
    "alac.m4a": ("alac", 16_000, {}, {}),
    "pcm.mka": ("pcm_s16le", 16_000, {}, {}),
    "mp3.mka": ("libmp3lame", 16_000, {}, {"b": "32000"}),
    "opus.webm": ("libopus", 48_000, {}, {"b": "24000"}),
    "aac.mp4": ("aac", 16_000, {"movflags": "faststart"}, {"b": "32000"}),
    "wma.wma": ("wmav2", 16_000, {}, {"b": "32000"}),
    "aac.ts": ("aac", 16_000, {}, {"b": "32000"}),
    "ac3.ac3": ("ac3", 48_000, {}, {"b": "64000"}),
}


def write_seeds(folder: Path) -> list[Path]:
    """Write the same speech in every container.

    Args:
        folder: Where to; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wave = speech(SECONDS)
    for name, (container, subtype) in _SNDFILE.items():
        soundfile.write(folder / name, wave, 16_000, subtype, format=container)
    for name, (codec, rate, container_options, options) in _FFMPEG.items():
        encode(folder / name, wave, codec, rate, container_options, options)
    return sorted(folder.iterdir())


def encode(
    path: Path,
    wave: np.ndarray,
    codec: str,
    rate: int,
    container_options: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Encode speech at 16 kHz with ffmpeg's libraries.

    Args:
        path: Where to; its suffix names the container.
        wave: float32 `[n]`, or `[tracks, n]` for several audio tracks.
        codec: Name of the encoder.
        rate: Sampling rate in Hz of the file.
        container_options: As libavformat documents them.
        options: As libavcodec documents them.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        waves = np.atleast_2d(wave)
        tracks = [container.add_stream(codec, rate=rate, layout="mono", options=options or {}) for _ in waves]
        for track, samples in zip(tracks, waves, strict=True):
            context = track.codec_context
            frame = av.AudioFrame.from_ndarray(resample(samples, 16_000, rate)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            converter = av.AudioResampler(
                format=context.format, layout="mono", rate=rate, frame_size=context.frame_size or 1024
            )
            for part in [*converter.resample(frame), *converter.resample(None)]:
                container.mux(track.encode(part))
            container.mux(track.encode(None))


def mutants(seeds: list[Path], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged files.

    Args:
        seeds: Whole files, each mutated in turn.
        count: How many.
        seed: Of the random numbers.

    Yields:
        A name that says what was done, and the content.
    """
    rng = random.Random(seed)
    contents = {path: path.read_bytes() for path in seeds}
    for number in range(count):
        path = seeds[number % len(seeds)]
        mutate = rng.choice(_MUTATIONS)
        others = [other for other in seeds if other.suffix == path.suffix]
        content = mutate(rng, bytearray(contents[path]), contents[rng.choice(others)])
        yield f"{number:04d}-{mutate.__name__.strip('_')}-{path.name}", bytes(content)


def _flip_header_bits(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    for _ in range(rng.randrange(1, 5)):
        content[rng.randrange(min(len(content), 128))] ^= 1 << rng.randrange(8)
    return content


def _overwrite_bytes(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    for _ in range(rng.randrange(1, 100)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return content


def _truncate(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    return content[: rng.randrange(len(content))]


def _lie(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    """A 32-bit field of the header, or of the tables at the end, says something else."""
    at = rng.randrange(min(len(content) - 4, 200))
    if rng.random() < 0.3:
        at = len(content) - 4 - at
    content[at : at + 4] = rng.choice(_LIES)
    return content


def _insert(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    at = rng.randrange(len(content))
    content[at:at] = rng.randbytes(rng.randrange(1, 3000))
    return content


def _delete(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    at = rng.randrange(len(content))
    del content[at : at + rng.randrange(1, 3000)]
    return content


def _repeat(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    at = rng.randrange(len(content))
    content[at:at] = content[at : at + rng.randrange(1, 10_000)] * rng.randrange(1, 4)
    return content


def _concatenate(rng: random.Random, content: bytearray, other: bytes) -> bytearray:
    return content + other


_Mutation = Callable[[random.Random, bytearray, bytes], bytearray]
_MUTATIONS: tuple[_Mutation, ...] = (
    _flip_header_bits,
    _overwrite_bytes,
    _truncate,
    _lie,
    _insert,
    _delete,
    _repeat,
    _concatenate,
)
