"""Speech as the bytes of a file, while it comes: WAV and PCM by ourselves, the rest by ffmpeg's encoders.

Every format that has a place for it says that a machine spoke, by which voice, from which text and seed; PCM has none,
and the response's headers say it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np

from voicemill.core.errors import UsageError
from voicemill.gpt_sovits.synthesis.waveform import pcm16
from voicemill.synthesis import marking

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PCM_RATE = 24_000
"""Of raw samples, in Hz: what clients of OpenAI's API take for granted, since raw samples do not say it."""
OPUS_RATE = 48_000
UNKNOWN = 0xFFFFFFFF
"""Length in the header of a WAV file that is being streamed."""


@dataclass(frozen=True)
class Provenance:
    """Where speech comes from."""

    speaker: str
    voice: str
    text: str
    seed: int
    watermark: str = ""

    def as_json(self) -> str:
        """Return it as the files of `voicemill stage synthesize` have it."""
        return marking.provenance(**asdict(self))


class Encoder(Protocol):
    """Makes bytes of samples, float32 `[n]`, as they come."""

    def add(self, samples: np.ndarray) -> bytes:
        """Return what can be sent already."""
        ...

    def end(self) -> bytes:
        """Return the rest."""
        ...


def encoder(format: Format, rate: int, provenance: Provenance) -> Encoder:
    """Return an encoder.

    Args:
        format: Of the file.
        rate: Of the samples, in Hz.
        provenance: What the file says about itself.

    Raises:
        UsageError: If this ffmpeg has no encoder for it.
    """
    if format == "wav":
        return _Wav(rate, provenance)
    if format == "pcm":
        return _Pcm(rate)
    return _Ffmpeg(format, rate, provenance)


def with_lengths(wav: bytes) -> bytes:
    """Return a WAV file that was streamed, its lengths in the header."""
    data = wav.index(b"data", 12) + 8
    return b"".join(
        [wav[:4], struct.pack("<I", len(wav) - 8), wav[8 : data - 4], struct.pack("<I", len(wav) - data), wav[data:]]
    )


class _Wav:
    def __init__(self, rate: int, provenance: Provenance):
        notes = {b"INAM": marking.TITLE, b"ISFT": marking.software(), b"ICMT": provenance.as_json()}
        listed = b"INFO" + b"".join(_chunk(name, text.encode() + b"\0") for name, text in notes.items())
        about = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
        body = b"WAVE" + _chunk(b"fmt ", about) + _chunk(b"LIST", listed) + b"data" + struct.pack("<I", UNKNOWN)
        self._head = b"RIFF" + struct.pack("<I", UNKNOWN) + body

    def add(self, samples: np.ndarray) -> bytes:
        head, self._head = self._head, b""
        return head + pcm16(samples).tobytes()

    def end(self) -> bytes:
        return b""


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


class _Pcm:
    def __init__(self, rate: int):
        import soxr

        self._stream = soxr.ResampleStream(rate, PCM_RATE, 1, dtype="float32")

    def add(self, samples: np.ndarray) -> bytes:
        return pcm16(self._stream.resample_chunk(samples)).tobytes()

    def end(self) -> bytes:
        return pcm16(self._stream.resample_chunk(np.zeros(0, np.float32), last=True)).tobytes()


class _Sink(io.RawIOBase):
    """Takes what a muxer writes, which cannot go back."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.content)
        self.content.clear()
        return taken


_ENCODERS = {
    # muxer, encoder, bits a second, options of the muxer
    "mp3": ("mp3", "libmp3lame", 128_000, {"write_xing": "0", "id3v2_version": "3"}),
    "opus": ("ogg", "libopus", 64_000, {"page_duration": "20000"}),
    "aac": ("adts", "aac", 128_000, {"write_id3v2": "1"}),
    "flac": ("flac", "flac", 0, {}),
}


class _Ffmpeg:
    def __init__(self, format: str, rate: int, provenance: Provenance):
        import av
        from av.audio.stream import AudioStream
        from av.error import FFmpegError

        muxer, codec, bits, options = _ENCODERS[format]
        self._sink, self._frame = _Sink(), av.AudioFrame
        self._rate, self._made = rate, 0
        try:
            self._container = av.open(self._sink, "w", format=muxer, options={**options, "flush_packets": "1"})
            self._stream = cast(
                AudioStream,
                self._container.add_stream(codec, rate=OPUS_RATE if format == "opus" else rate, layout="mono"),
            )
        except (FFmpegError, ValueError) as error:
            raise UsageError(f"this ffmpeg cannot write {format} ({error}); use wav, pcm or flac") from error
        if bits:
            self._stream.bit_rate = bits
        self._container.metadata.update(
            {"title": marking.TITLE, "comment": provenance.as_json(), "encoded_by": marking.software()}
        )

    def add(self, samples: np.ndarray) -> bytes:
        frame = self._frame.from_ndarray(pcm16(samples)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._made
        self._made += len(samples)
        self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def end(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()
