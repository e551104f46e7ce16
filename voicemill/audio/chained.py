"""Find the parts of a file that is several files one after the other, where a decoder would stop or go astray.

Ogg allows it ("chaining": radio recordings, `cat`); of FLAC and WAV it is what `cat` makes. ffmpeg resumes from one
part of Ogg or FLAC to the next only where both have the same format, and never from one WAV to the next.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_OGG, _OGG_FLAGS_AT, _OGG_BEGINS = b"OggS\0", 5, 2
# "fLaC" and the header of its first block, STREAMINFO, always 34 bytes long; it may be the last block or not.
_FLAC = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")


@dataclass(frozen=True)
class Link:
    """A part of a file that stands for itself: bytes from `start` up to `end`."""

    start: int
    end: int


def links(path: Path) -> list[Link]:
    """Return the parts of a file; one, the whole, unless it is Ogg, FLAC or WAV.

    Args:
        path: A file that is not empty.
    """
    length = path.stat().st_size
    with path.open("rb") as stream:
        find = _FINDERS.get(stream.read(4))
        if find is None:
            return [Link(0, length)]
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            starts = find(content)
    starts = [0, *(start for start in starts if start)]
    return [Link(start, end) for start, end in zip(starts, [*starts[1:], length], strict=True)]


def _ogg_starts(content: mmap.mmap) -> list[int]:
    """Return a link begins with the first page that begins a stream behind pages that do not (RFC 3533, section 4)."""
    starts, is_begun = [], False
    at = content.find(_OGG)
    while at >= 0:
        begins = at + _OGG_FLAGS_AT < len(content) and bool(content[at + _OGG_FLAGS_AT] & _OGG_BEGINS)
        if begins and not is_begun:
            starts.append(at)
        is_begun = begins
        at = content.find(_OGG, at + len(_OGG))
    return starts


def _flac_starts(content: mmap.mmap) -> list[int]:
    starts = []
    for mark in _FLAC:
        at = content.find(mark)
        while at >= 0:
            starts.append(at)
            at = content.find(mark, at + len(mark))
    return sorted(starts)


def _riff_starts(content: mmap.mmap) -> list[int]:
    """Return where a RIFF form ends, by its size, the next may begin."""
    starts, at = [0], 0
    while True:
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
        if content[at : at + 4] != b"RIFF" or content[at + 8 : at + 12] != b"WAVE":
            return starts
        starts.append(at)


_FINDERS: dict[bytes, Callable[[mmap.mmap], list[int]]] = {
    b"OggS": _ogg_starts,
    b"fLaC": _flac_starts,
    b"RIFF": _riff_starts,
}
