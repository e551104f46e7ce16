"""Decode any audio or video file with ffmpeg's libraries (PyAV), packet by packet to its end.

What is decoded decides how long a recording is, never a header. A file whose rate or channels change on the way (glued
MP3s, chained Ogg, a live stream) comes in the layout and rate of its first frame. A damaged packet costs itself alone.

The file is data from a stranger: only demuxers of single media files are allowed, so that no playlist or session
description opens other files or connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.audio import blocks
from voicemill.audio.promises import promised_seconds
from voicemill.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, Packet
    from av.container import InputContainer

FORMATS = (
    *("wav", "w64", "aiff", "au", "caf", "flac", "mp3", "aac", "loas", "ogg", "mov", "matroska", "asf", "avi", "flv"),
    *("mpegts", "mpeg", "ac3", "eac3", "dts", "dtshd", "truehd", "mlp", "amr", "amrnb", "amrwb", "ape", "wv", "tta"),
    *("tak", "mpc", "mpc8", "shn", "dsf", "iff", "rm", "voc", "sox", "ircam", "nistsphere", "gsm", "qcp", "oma"),
    *("mxf", "gxf", "nut", "dv", "dss", "xwma", "mmf", "pvf", "spx", "g722", "sbc", "rso", "smjpeg", "nsv", "ivf"),
)
"""Demuxers that read one media file and nothing else."""

# What files begin with that name other files or addresses instead of holding sound.
_PLAYLISTS = {
    b"#EXTM3U": "an HLS or M3U playlist",
    b"ffconcat": "an ffmpeg concat list",
    b"v=0": "a session description (SDP)",
    b"[playlist]": "a PLS playlist",
    b"[Reference]": "an ASX playlist",
    b"<ASX": "an ASX playlist",
    b"<asx": "an ASX playlist",
    b"<MPD": "a DASH manifest",
    b"<?xml": "an XML document",
}
# What decoders refuse inside of a sound track that is not sound, and no damage: tags between glued files.
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
# The last frame of many codecs is padded, and priming is counted by some containers and not by others.
_SLACK_FRAMES, _SLACK_SECONDS = 2, 0.05
# PyAV reads past the end of a planar frame's table from 8 channels on, so more than these come interleaved.
_PLANES = 2


@dataclass(frozen=True)
class Track:
    """A sound track of a file.

    Attributes:
        number: Its number among the sound tracks, from 1.
        is_default: Whether the file marks it as the one to play.
    """

    number: int
    is_default: bool


@dataclass(frozen=True)
class Decoded:
    """A sound track's samples.

    Attributes:
        samples: float32 `[channels, n]`.
        rate: Their rate in Hz.
        notes: What was odd, one short sentence each.
    """

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...]


def tracks(path: Path) -> list[Track]:
    """The sound tracks of a file, in its order.

    Raises:
        InputError: It has none, or is no media file.
    """
    from av.stream import Disposition

    with _opened(path) as container:
        found = container.streams.audio
        return [
            Track(number, bool(track.disposition & Disposition.default)) for number, track in enumerate(found, start=1)
        ]


def decode(path: Path, number: int = 1) -> Decoded:
    """Decode one sound track to its end.

    Args:
        path: The file.
        number: Which of its sound tracks, from 1.

    Raises:
        InputError: Nothing in the track can be decoded, or it is longer than `blocks.limit_bytes`.
    """
    with _opened(path) as container:
        track = container.streams.audio[number - 1]
        if track.codec_context is None:
            raise InputError(f"{path.name} is not audio that can be decoded: ffmpeg does not know its codec")
        if track.codec_context.name == "flac":
            # Its frames carry checksums; a frame that fails them would otherwise be decoded as noise.
            track.codec_context.options = {"err_detect": "crccheck+explode"}
        layout = _OneLayout(path)
        packets = damaged = 0
        for packet in container.demux(track):
            packets += 1
            frames, is_whole = _frames(packet)
            damaged += not is_whole
            for frame in frames:
                damaged += not layout.add(frame)
        promised = promised_seconds(path, container, track)
    if not layout.collected:
        raise InputError(f"{path.name} is not audio: nothing in it can be decoded")
    samples, rate, longest_frame = layout.finish()
    notes = list(layout.changes)
    if damaged:
        notes.append(f"damaged file: {damaged} of {packets} packets could not be decoded and were left out")
    seconds = samples.shape[1] / rate
    if promised and seconds < promised - _SLACK_FRAMES * longest_frame - _SLACK_SECONDS:
        notes.append(f"cut off: {seconds:.2f} of {promised:.2f} s decoded")
    return Decoded(samples, rate, tuple(notes))


class _OneLayout:
    """Brings frames of any format, layout and rate to the layout and rate of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changes: list[str] = []
        self.collected: blocks.Blocks | None = None
        self._first = ("", 0)
        self._format = "fltp"
        self._current: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._longest_frame = 0.0

    def add(self, frame: "AudioFrame") -> bool:
        """Take a frame; False if it is damaged."""
        import av

        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if frame.sample_rate <= 0 or not frame.layout.nb_channels:
            return False
        if key != self._current:
            self._flush()
            layout, rate = key[1:]
            if self.collected is None:
                self._first = (layout, rate)
                limit = blocks.limit_bytes(self.path.stat().st_size)
                self.collected = blocks.Blocks(self.path.name, frame.layout.nb_channels, limit)
                self._format = "fltp" if self.collected.channels <= _PLANES else "flt"
            elif self._current and key[1:] != self._current[1:]:
                self._note_change(layout, rate)
            self._current = key
            self._resampler = av.AudioResampler(format=self._format, layout=self._first[0], rate=self._first[1])
        # Timestamps that jump must not make the resampler add or drop samples.
        frame.pts = None
        self._longest_frame = max(self._longest_frame, frame.samples / frame.sample_rate)
        self._keep(self._resampler.resample(frame) if self._resampler else [])
        return True

    def finish(self) -> tuple[np.ndarray, int, float]:
        """float32 `[channels, n]`, their rate in Hz, and the length of the longest frame in seconds."""
        assert self.collected is not None
        self._flush()
        return self.collected.join(), self._first[1], self._longest_frame

    def _keep(self, parts: "list[AudioFrame]") -> None:
        assert self.collected is not None
        for part in parts:
            samples = part.to_ndarray()
            planar = samples if self._format == "fltp" else samples.reshape(-1, self.collected.channels).T
            self.collected.add(planar)

    def _flush(self) -> None:
        if self._resampler:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _note_change(self, layout: str, rate: int) -> None:
        if not self.changes:
            first_layout, first_rate = self._first
            self.changes.append(
                f"the format changes on the way (to {layout}, {rate} Hz): all of it was brought to"
                f" {first_layout}, {first_rate} Hz"
            )


def _frames(packet: "Packet") -> "tuple[list[AudioFrame], bool]":
    """Frames of a packet, and whether it was whole: a tag or padding holds none and is no damage."""
    from av.error import FFmpegError

    try:
        return packet.decode(), True  # pyright: ignore[reportReturnType]
    except FFmpegError:
        content = bytes(packet)
        return [], content.startswith(_TAGS) or not any(content)


class _Source:
    """A file as PyAV reads it. A damaged header makes ffmpeg seek to impossible places: that is an error code for it to
    handle, where an exception would be printed and dropped."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (OSError, ValueError):
            return -1

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()


@contextmanager
def _opened(path: Path) -> "Iterator[InputContainer]":
    """A file with at least one sound track, opened by a demuxer of `FORMATS`."""
    import av
    from av.error import FFmpegError

    source = _Source(path)
    # "none" is no protocol: whatever a demuxer wants to open beside the file itself is refused.
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
    try:
        # Tags are in any encoding; nothing here reads them but DURATION.
        with av.open(source, "r", options=options, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError(f"{path.name} is not audio: a {container.format.long_name} file without a sound track")
            yield container
    except FFmpegError as error:
        raise InputError(f"{path.name} is not audio: {_refusal(path)}") from error
    finally:
        source.close()


def _refusal(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, what in _PLAYLISTS.items():
        if head.startswith(mark):
            return f"it is {what}, which holds no sound itself"
    return "neither libsndfile nor ffmpeg can read it"
