"""Random numbers of a seed, the same on every machine and by every runtime: what torch draws on a CPU, in NumPy.

torch draws from the Mersenne twister: normal numbers by Box and Muller's transform in groups of 16, of 24 bits each
(ATen's `normal_fill`), exponential ones by the inverse of the distribution function, of 53 bits each. Restated here,
so that what a seed spoke once it speaks again, with torch or without it.
"""

from __future__ import annotations

import numpy as np

GROUP = 16
_SINGLE_BITS, _DOUBLE_BITS = 24, 53
_SMALLEST = np.float32(1e-20)


def twister(seed: int) -> np.random.MT19937:
    """Return the Mersenne twister of a seed, of which 32 bits count."""
    generator = np.random.MT19937()
    # The way to seed it that is older than NumPy's SeedSequence, and torch's.
    generator._legacy_seeding(seed & 0xFFFFFFFF)
    return generator


def normal(seed: int, count: int) -> np.ndarray:
    """Return standard normal numbers `[count]`, float32; `count` is a multiple of 16."""
    if count % GROUP:
        raise ValueError(f"normal numbers are drawn in groups of {GROUP}, and {count} are no whole groups")
    words = twister(seed).random_raw(count).reshape(-1, 2, GROUP // 2)
    uniform = (words & ((1 << _SINGLE_BITS) - 1)).astype(np.float32) * np.float32(2.0**-_SINGLE_BITS)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = np.float32(2 * np.pi) * uniform[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()


def exponential(generator: np.random.MT19937, count: int) -> np.ndarray:
    """Return the next exponential numbers of mean 1 of a twister `[count]`, float32, none of them 0."""
    high, low = generator.random_raw((count, 2)).T
    uniform = (((high << 32) | low) & ((1 << _DOUBLE_BITS) - 1)) * 2.0**-_DOUBLE_BITS
    return np.maximum(-np.log1p(-uniform).astype(np.float32), _SMALLEST)


def seeded_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal noise `[B, C, T]`, float32: a frame's depends on the seed and its place only.

    So that speech can be made before its length is known, frames are drawn one after the other.
    """
    batch, channels, frames = shape
    # With whole groups no frame depends on how many follow.
    rows = -(-frames // GROUP) * GROUP
    drawn = normal(seed, batch * rows * channels).reshape(batch, rows, channels)
    return drawn[:, :frames].transpose(0, 2, 1)
