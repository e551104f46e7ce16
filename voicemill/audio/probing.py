"""Look at a file's first bytes and say what is wrong with it before a decoder guesses.

Decoders answer a text file, a cut header and a zero rate with the same "format not recognised", and accept WAV headers
that promise more than the file holds without a word. A user needs to be told which it was.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from voicemill.core.errors import InputError

UNKNOWN_SIZES = (0, 0xFFFFFFFF)
SNIFFED = 4096


@dataclass(frozen=True)
class WavHeader:
    """What a RIFF WAVE header says.

    Attributes:
        rate: Sampling rate in Hz.
        channels: Number of channels.
        promised: Bytes of sound that the header promises.
        present: Bytes of sound that are in the file.
        trailing: Bytes behind the sound that belong to no chunk of the file, such as sound that the header leaves out.
    """

    rate: int
    channels: int
    promised: int
    present: int
    trailing: int = 0


def examine(path: Path) -> Iterator[str]:
    """Check what can be known without decoding.

    Args:
        path: The file.

    Yields:
        Notes on what is odd but can be read.

    Raises:
        InputError: The file is missing, empty, a text or web page, or a WAV whose header cannot be right.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file")
    with path.open("rb") as stream:
        head = stream.read(SNIFFED)
    if not head:
        raise InputError(f"{path.name} is an empty file (0 bytes)")
    if is_text(head):
        kind = "a web page" if b"<html" in head.lower() or b"<!doctype" in head.lower() else "text"
        raise InputError(f"{path.name} is not audio: it holds {kind}")
    if head[:4] != b"RIFF" or head[8:12] not in (b"WAVE", b"WAV", b"WA", b"W", b""):
        return
    header = read_wav_header(path)
    if header.rate == 0:
        raise InputError(f"{path.name} has a bad header: sampling rate 0")
    if header.channels == 0:
        raise InputError(f"{path.name} has a bad header: 0 channels")
    if header.promised in UNKNOWN_SIZES and header.present:
        yield "streamed WAV: the header has no length, so the file was read to its end"
    elif header.promised > header.present:
        yield f"truncated: the header declares {header.promised} bytes of audio, the file has {header.present}"
    elif header.trailing:
        yield f"{header.trailing} bytes after the audio that the header describes were ignored"


def is_text(head: bytes) -> bool:
    """Return whether bytes read as text: UTF-8 (a character cut at the end is allowed) without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(character.isprintable() or character in "\t\n\r\f\ufeff" for character in text)


def read_wav_header(path: Path) -> WavHeader:
    """Walk the chunks of a RIFF WAVE file up to its sound.

    Args:
        path: A file that begins with RIFF.

    Returns:
        The header's facts.

    Raises:
        InputError: The header is cut short.
    """
    truncated = InputError(f"{path.name} is truncated: it ends inside its header")
    length = path.stat().st_size
    rate = channels = None
    with path.open("rb") as stream:
        stream.seek(12)
        while len(chunk := stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data":
                if rate is None or channels is None:
                    raise InputError(f"{path.name} has a bad header: the data chunk precedes the format chunk")
                present = length - stream.tell()
                if size in UNKNOWN_SIZES or size >= present:
                    return WavHeader(rate, channels, size, present)
                return WavHeader(rate, channels, size, size, _trailing(stream, stream.tell() + size + size % 2, length))
            body = stream.read(min(size, 16)) if name == b"fmt " else b""
            if name == b"fmt ":
                if len(body) < 16:
                    raise truncated
                channels, rate = struct.unpack_from("<HI", body, 2)
            stream.seek(size - len(body) + size % 2, 1)
    raise truncated


def _trailing(stream: BinaryIO, at: int, length: int) -> int:
    """Return the bytes from `at` on that are neither chunks nor another WAV file glued on, which is read."""
    while at < length:
        stream.seek(at)
        header = stream.read(8)
        name, size = header[:4], int.from_bytes(header[4:8], "little")
        if len(header) < 8 or name == b"RIFF":
            return 0
        if not all(32 <= byte < 127 for byte in name) or at + 8 + size > length:
            return length - at
        at += 8 + size + size % 2
    return 0
