"""Write sound as a file of any format that ffmpeg's libraries (PyAV) encode, with metadata and chapters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core.errors import UsageError

BLOCK = 1 << 16


@dataclass(frozen=True)
class Format:
    """How a kind of file is encoded.

    Attributes:
        container: ffmpeg's name of the container.
        codec: ffmpeg's name of the encoder.
        bit_rate: In bits a second, 0 for a lossless one.
    """

    container: str
    codec: str
    bit_rate: int = 0


FORMATS = {
    ".wav": Format("wav", "pcm_s16le"),
    ".flac": Format("flac", "flac"),
    ".mp3": Format("mp3", "libmp3lame", 96_000),
    ".m4b": Format("ipod", "aac", 96_000),
    ".m4a": Format("ipod", "aac", 96_000),
    ".ogg": Format("ogg", "libopus", 48_000),
}
_SAMPLES = {"libmp3lame": "fltp", "aac": "fltp", "libopus": "flt"}
"""What encoders take; the others take 16 bits."""


@dataclass(frozen=True)
class Chapter:
    """A chapter: its title, where it begins and where it ends, in seconds."""

    title: str
    start: float
    end: float


def format_of(path: Path) -> Format:
    """Return how a file of this name is encoded.

    Raises:
        UsageError: Its ending is not one of `FORMATS`.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path} cannot be written: let its name end in {', '.join(FORMATS)}") from None


def encode(
    path: Path,
    blocks: Iterable[np.ndarray],
    rate: int,
    *,
    codec: str = "",
    bit_rate: int = 0,
    tags: Mapping[str, str] | None = None,
    chapters: Sequence[Chapter] = (),
    container: str = "",
) -> None:
    """Write mono sound, block by block, so that an audiobook is never in memory as a whole.

    Args:
        path: Where to; its ending decides the container and the codec unless they are given.
        blocks: float32 `[n]`, full scale at 1.
        rate: Their rate in Hz, one that the codec knows.
        codec: ffmpeg's name of the encoder.
        bit_rate: In bits a second.
        tags: Metadata of the file.
        chapters: Of containers that have them (m4b, m4a, mp3).
        container: ffmpeg's name of the container.

    Raises:
        UsageError: The ending of the path is not known.
    """
    import av

    form = Format(container, codec, bit_rate) if container and codec else format_of(path)
    codec = codec or form.codec
    kind = _SAMPLES.get(codec, "s16")
    with av.open(str(path), "w", format=container or form.container) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        stream.format = kind
        if bit_rate or form.bit_rate:
            stream.bit_rate = bit_rate or form.bit_rate
        output.metadata.update(tags or {})
        if chapters:
            output.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(each.start * 1000),
                        "end": round(each.end * 1000),
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": each.title},
                    }
                    for number, each in enumerate(chapters)
                ]
            )
        at = 0
        for block in blocks:
            for start in range(0, len(block), BLOCK):
                part = np.ascontiguousarray(block[start : start + BLOCK], dtype=np.float32)
                if kind == "s16":
                    part = np.clip(part * 32768, -32768, 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(part[None], format=kind, layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
                at += len(part)
                for packet in stream.encode(frame):
                    output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
