"""Decode any audio or video file with ffmpeg's libraries (PyAV), packet by packet to its end.

What is decoded decides how long a recording is, never a header. A file whose rate or channels change on the way (glued
MP3s, chained Ogg, a live stream) comes in the layout and rate of its first frame. A damaged packet costs itself alone.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.audio import chained
from voicemill.audio.containers import opened
from voicemill.audio.layout import OneLayout
from voicemill.audio.promises import promised_seconds
from voicemill.core.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

# What decoders refuse inside of a audio track that is not sound, and no damage: tags between glued files.
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
# Failures to read a packet in a row, after which the rest of a file is given up.
_MAX_FAILURES = 3


@dataclass(frozen=True)
class Track:
    """A audio track of a file.

    Attributes:
        number: Its number among the audio tracks, from 1.
        is_default: Whether the file marks it as the one to play.
    """

    number: int
    is_default: bool


@dataclass(frozen=True)
class Decoded:
    """A audio track's samples.

    Attributes:
        samples: float32 `[channels, n]`.
        rate: Their rate in Hz.
        notes: What was odd, one short sentence each.
    """

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...]


def tracks(path: Path) -> list[Track]:
    """Return the audio tracks of a file, in its order.

    Raises:
        InputError: It has none, or is not a media file.
    """
    from av.stream import Disposition

    with opened(path, chained.links(path)[0]) as container:
        found = container.streams.audio
        return [
            Track(number, bool(track.disposition & Disposition.default)) for number, track in enumerate(found, start=1)
        ]


def decode(path: Path, number: int = 1) -> Decoded:
    """Decode one audio track to its end.

    Args:
        path: The file.
        number: Which of its audio tracks, from 1.

    Raises:
        InputError: Nothing in the track can be decoded, or it is longer than `blocks.limit_bytes`.
    """
    layout = OneLayout(path)
    damage = Counter[str]()
    promises: list[float | None] = []
    links = chained.links(path)
    for link in links:
        try:
            with opened(path, link) as container:
                found = container.streams.audio
                promises.append(_decode_track(path, container, found[min(number, len(found)) - 1], layout, damage))
        except InputError:
            if len(links) == 1 or layout.is_too_long:
                raise
            damage["links"] += 1
    if not layout.collected:
        if damage:
            raise InputError(f"{path.name} is damaged: none of its {damage['read']} packets can be decoded")
        raise InputError(f"{path.name} is not audio: nothing in it can be decoded")
    samples, rate = layout.finish()
    notes = list(layout.changes)
    if damage["lost"]:
        notes.append(
            f"damaged file: {damage['lost']} of {damage['read']} packets could not be decoded and were skipped"
        )
    if damage["links"]:
        notes.append(f"damaged file: {damage['links']} of {len(links)} parts could not be decoded and were skipped")
    if damage["irregular"]:
        notes.append(f"damaged FLAC: audio may be missing at {damage['irregular']} of {damage['read']} places")
    seconds = samples.shape[1] / rate
    known = [promise for promise in promises if promise is not None]
    if len(known) == len(links) and seconds < sum(known) - layout.slack_seconds:
        notes.append(f"truncated or damaged: {seconds:.2f} of {sum(known):.2f} s decoded")
    return Decoded(samples, rate, tuple(notes))


def _decode_track(
    path: Path, container: "InputContainer", track: "AudioStream", layout: OneLayout, damage: Counter[str]
) -> float | None:
    """Decode a track into `layout`, count damage, and return how many seconds the container promises."""
    if track.codec_context is None:
        raise InputError(f"{path.name} is not audio that can be decoded: ffmpeg does not know its codec")
    codec = track.codec_context.name
    if codec == "flac":
        # Its frames carry checksums; a frame that fails them would otherwise be decoded as noise.
        track.codec_context.options = {"err_detect": "crccheck+explode"}
    layout.is_padded = not codec.startswith(("flac", "pcm_"))
    for packet in _packets(container, track):
        damage["read"] += 1
        frames, is_whole = _frames(packet) if packet else ([], False)
        damage["lost"] += not is_whole
        for frame in frames:
            damage["lost"] += not layout.add(frame)
        # ffmpeg cuts plain FLAC at frame headers. Where it finds none it makes one long packet, whose decoder may stop
        # halfway without an error.
        if packet and packet.size and frames and container.format.name == "flac":
            damage["irregular"] += packet.duration != sum(frame.samples for frame in frames)
    return promised_seconds(path, container, track)


def _packets(container: "InputContainer", track: "AudioStream") -> "Iterator[Packet | None]":
    """Packets up to the end of the file; None for a place that could not be read, behind which it goes on."""
    from av.error import FFmpegError

    failures = 0
    while failures < _MAX_FAILURES:
        try:
            for packet in container.demux(track):
                failures = 0
                yield packet
            return
        except FFmpegError:
            failures += 1
            yield None
        except IndexError:
            # PyAV knows no stream that appears on the way (a damaged transport stream names a new one).
            yield None


def _frames(packet: "Packet") -> "tuple[list[AudioFrame], bool]":
    """Return the frames of a packet, and whether it was whole: a tag or padding holds none and is not damage."""
    from av.error import FFmpegError

    try:
        return packet.decode(), True  # pyright: ignore[reportReturnType]
    except FFmpegError:
        content = bytes(packet)
        return [], content.startswith(_TAGS) or not any(content)
