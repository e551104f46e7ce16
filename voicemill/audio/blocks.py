"""Collect decoded samples of unknown length without holding them twice, up to a stated limit."""

import mmap
from dataclasses import dataclass, field

import numpy as np

from voicemill.core.errors import InputError

# Samples of one channel that are collected in one block.
BLOCK = 1 << 20
# One recording may decode to this much float32: 3 h of stereo or 6 h of mono at 48 kHz.
MAX_BYTES = 4 << 30
# Above MIN_SUSPECT_BYTES no real recording is compressed by more than this factor: Opus at 6 kbit/s reaches 250.
MAX_EXPANSION = 1000
MIN_SUSPECT_BYTES = 1 << 30


def limit_bytes(file_bytes: int) -> int:
    """Return the bytes of float32 samples that a file of some size may decode to."""
    return min(MAX_BYTES, max(MIN_SUSPECT_BYTES, MAX_EXPANSION * file_bytes))


def require_fits(name: str, decoded_bytes: int, limit: int) -> None:
    """Refuse what is larger than the limit.

    Raises:
        InputError: It is; says what to do.
    """
    if decoded_bytes > limit:
        raise InputError(
            f"{name} is too long: it decodes to more than {limit / 2**30:.1f} GiB of samples"
            " (or is a decompression bomb); cut it into shorter recordings"
        )


@dataclass
class Blocks:
    """Samples in the order in which they are decoded.

    Attributes:
        name: The file, for messages.
        channels: Number of channels.
        limit: Bytes of float32 samples that are accepted.
        length: Samples of each channel so far.
    """

    name: str
    channels: int
    limit: int
    length: int = 0
    _blocks: list[np.ndarray] = field(default_factory=list)

    def add(self, samples: np.ndarray) -> None:
        """Append float32 `[channels, n]`.

        Raises:
            InputError: The recording is longer than the limit.
        """
        require_fits(self.name, 4 * self.channels * (self.length + samples.shape[1]), self.limit)
        taken = 0
        while taken < samples.shape[1]:
            used = self.length % BLOCK
            if not used:
                self._blocks.append(_mapped(self.channels))
            part = samples[:, taken : taken + BLOCK - used]
            self._blocks[-1][:, used : used + part.shape[1]] = part
            taken += part.shape[1]
            self.length += part.shape[1]

    def join(self) -> np.ndarray:
        """Hand everything over as contiguous float32 `[channels, length]`; nothing is left here."""
        whole = np.empty((self.channels, self.length), np.float32)
        blocks, self._blocks = self._blocks[::-1], []
        for first in range(0, self.length, BLOCK):
            # Each block is given back before the pages of the next part of `whole` are touched.
            block = blocks.pop()
            whole[:, first : first + BLOCK] = block[:, : self.length - first]
        self.length = 0
        return whole


def _mapped(channels: int) -> np.ndarray:
    """Return a block in a mapping of its own: malloc would keep its memory after it is freed."""
    return np.frombuffer(mmap.mmap(-1, 4 * channels * BLOCK), np.float32).reshape(channels, BLOCK)
