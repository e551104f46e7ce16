"""How long a container says that a audio track is, where what it says is exact.

Used only to tell a user that a file was cut off, never to decide how much is read. Lengths that are estimated from a
bit rate (ADTS, MP3 without a frame count, MPEG streams) are left out.
"""

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

# Containers whose tables or headers count the samples of each track.
_COUNTED = {"flac", "aiff", "au", "caf", "w64", "mov", "asf"}
# In WAV the length of other codecs follows from a bit rate.
_COUNTED_IN_WAV = ("pcm_", "adpcm_", "gsm_ms")
_HEAD = 4096
# Bytes of side information between an MP3 frame's header and its Xing header, by (MPEG 1, mono).
_SIDE = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
_ID3_HEADER = 10


def promised_seconds(path: Path, container: "InputContainer", track: "AudioStream") -> float | None:
    """Return the length of a audio track in seconds by its container's own count.

    Args:
        path: The file.
        container: The file, opened.
        track: The track.

    Returns:
        None where the container does not count.
    """
    names = set(container.format.name.split(","))
    if "mp3" in names:
        return _counted_mp3_seconds(path)
    if "matroska" in names:
        return _matroska_seconds(container, track)
    counts = names & _COUNTED or ("wav" in names and track.codec_context.name.startswith(_COUNTED_IN_WAV))
    return float(track.duration * track.time_base) if counts and track.duration and track.time_base else None


def _matroska_seconds(container: "InputContainer", track: "AudioStream") -> float | None:
    """The track's own DURATION tag counts from the start of the file; that of the file is of its longest track."""
    start = float((track.start_time or 0) * (track.time_base or 0))
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", track.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - start
    if len(container.streams) == 1 and container.duration:
        return container.duration / 1_000_000 - start
    return None


def _counted_mp3_seconds(path: Path) -> float | None:
    """Length by the frame count in the first frame (Xing, Info or VBRI header), encoder delay and padding left out.

    The layout is that of LAME's documentation of its info tag (gabriel.mp3-tech.org/mp3infotag.html).
    """
    with path.open("rb") as stream:
        head = stream.read(_ID3_HEADER)
        if head[:3] == b"ID3" and len(head) == _ID3_HEADER:
            size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
            stream.seek(size + _ID3_HEADER)
            head = b""
        head += stream.read(_HEAD)
    start = re.search(rb"\xff[\xe2-\xff]", head)
    if not start:
        return None
    frame = head[start.start() :]
    if len(frame) < 4 or not (rate := _mp3_rate(frame)):
        return None
    is_mpeg1, is_mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    per_frame = 1152 if is_mpeg1 else 576
    xing = frame[4 + _SIDE[is_mpeg1, is_mono] :]
    if xing[:4] in (b"Xing", b"Info") and len(xing) >= 144 and xing[7] & 1:
        frames = struct.unpack_from(">I", xing, 8)[0]
        flags = xing[7]
        lame = 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
        skipped = 0
        if xing[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
            packed = int.from_bytes(xing[lame + 21 : lame + 24], "big")
            skipped = (packed >> 12) + (packed & 0xFFF)
        return max(0, frames * per_frame - skipped) / rate
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return struct.unpack_from(">I", frame, 50)[0] * per_frame / rate
    return None


def _mp3_rate(frame: bytes) -> int:
    """Sampling rate in Hz of an MP3 frame, 0 where its header says none."""
    version, index = frame[1] >> 3 & 3, frame[2] >> 2 & 3
    if version == 1 or index == 3:
        return 0
    return (44_100, 48_000, 32_000)[index] >> {3: 0, 2: 1, 0: 2}[version]
