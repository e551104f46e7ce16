"""Bring decoded frames of any format, layout and rate to the channels and rate of the first."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.audio import blocks
from voicemill.core.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler

# The last frame of many codecs is padded, and priming is counted by some containers and not by others.
_SLACK_FRAMES, _SLACK_SECONDS = 2, 0.05
# PyAV reads past the end of a planar frame's table from 8 channels on, so more than these come interleaved.
_PLANES = 2


class OneLayout:
    """Collects frames in one layout.

    Attributes:
        collected: Their samples; None before the first frame.
        changes: Notes on formats that differ from the first.
        is_padded: Whether the codec pads its last frame.
        is_too_long: Whether there was more than is accepted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.collected: blocks.Blocks | None = None
        self.changes: list[str] = []
        self.is_padded = True
        self.is_too_long = False
        self._first = ("", 0)
        self._current: tuple[str, str, int] | None = None
        self._channels = 0
        self._format = "fltp"
        self._resampler: AudioResampler | None = None
        self._longest_frame = 0.0

    @property
    def slack_seconds(self) -> float:
        """How much shorter than promised a whole track may be."""
        return _SLACK_SECONDS + (_SLACK_FRAMES * self._longest_frame if self.is_padded else 0.0)

    def add(self, frame: "AudioFrame") -> bool:
        """Take a frame; False if it is damaged."""
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if frame.sample_rate <= 0 or not frame.layout.nb_channels:
            return False
        if key != self._current:
            self._flush()
            self._change(frame, key)
        # Timestamps that jump must not make the resampler add or drop samples.
        frame.pts = None
        self._longest_frame = max(self._longest_frame, frame.samples / frame.sample_rate)
        self._keep(self._resampler.resample(frame) if self._resampler else [])
        return True

    def finish(self) -> tuple[np.ndarray, int]:
        """float32 `[channels, n]` and their rate in Hz."""
        assert self.collected is not None
        self._flush()
        return self.collected.join(), self._first[1]

    def _change(self, frame: "AudioFrame", key: tuple[str, str, int]) -> None:
        import av

        _, layout, rate = key
        if self.collected is None:
            self._first = (layout, rate)
            limit = blocks.limit_bytes(self.path.stat().st_size)
            self.collected = blocks.Blocks(self.path.name, frame.layout.nb_channels, limit)
        elif (layout, rate) != self._first and not self.changes:
            self.changes.append(
                f"the format changes within the file (to {layout}, {rate} Hz): everything was converted to"
                f" {self._first[0]}, {self._first[1]} Hz"
            )
        self._current = key
        self._channels = frame.layout.nb_channels
        self._format = "fltp" if self._channels <= _PLANES else "flt"
        self._resampler = av.AudioResampler(format=self._format, layout=layout, rate=self._first[1])

    def _keep(self, parts: "list[AudioFrame]") -> None:
        assert self.collected is not None
        for part in parts:
            samples = part.to_ndarray()
            planar = samples if self._format == "fltp" else samples.reshape(-1, self._channels).T
            if self._channels != self.collected.channels:
                planar = np.repeat(planar.mean(axis=0, keepdims=True), self.collected.channels, axis=0)
            try:
                self.collected.add(planar)
            except InputError:
                self.is_too_long = True
                raise

    def _flush(self) -> None:
        if self._resampler:
            self._keep(self._resampler.resample(None))
            self._resampler = None
            self._current = None
