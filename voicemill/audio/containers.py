"""Open any audio or video file with ffmpeg's libraries (PyAV) as what it is: data from a stranger.

Only demuxers of single media files are allowed, so that no playlist or session description opens other files or
connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voicemill.audio.chained import Link
from voicemill.core.errors import InputError

if TYPE_CHECKING:
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


class _Source:
    """A file, or a part of it, as PyAV reads it.

    A damaged header makes ffmpeg seek to impossible places: that is an error code for it to handle, where an exception
    would be printed and dropped.
    """

    def __init__(self, path: Path, link: Link) -> None:
        self._stream = path.open("rb")
        self._link = link
        self._stream.seek(link.start)

    def read(self, size: int) -> bytes:
        return self._stream.read(max(0, min(size, self._link.end - self._stream.tell())))

    def seek(self, offset: int, whence: int = 0) -> int:
        origin = (self._link.start, self._stream.tell(), self._link.end)[whence]
        if origin + offset < self._link.start:
            return -1
        try:
            return self._stream.seek(origin + offset) - self._link.start
        except (OSError, ValueError, OverflowError):
            return -1

    def tell(self) -> int:
        return self._stream.tell() - self._link.start

    def close(self) -> None:
        self._stream.close()


@contextmanager
def opened(path: Path, link: Link) -> "Iterator[InputContainer]":
    """A file, or a part of it, with at least one audio track, opened by a demuxer of `FORMATS`."""
    import av
    from av.error import FFmpegError

    source = _Source(path, link)
    # "none" is not a protocol: whatever a demuxer wants to open beside the file itself is refused.
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
    try:
        # Tags are in any encoding; nothing here reads them but DURATION.
        with av.open(source, "r", options=options, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise InputError(
                    f"{path.name} is not audio: a {container.format.long_name} file without an audio track"
                )
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
            return f"it is {what}, which contains no audio itself"
    return "neither libsndfile nor ffmpeg can read it"
