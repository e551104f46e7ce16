"""From decoded fragments to the samples of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FULL_SCALE = 32768


def join(fragments: Sequence[np.ndarray], pause_samples: int) -> np.ndarray:
    """Put fragments `[n]` one after the other.

    Args:
        fragments: Waveforms; one whose peak is above 1 is divided by it.
        pause_samples: Silence after every fragment, the last one too.
    """
    parts = []
    for wav in fragments:
        peak = abs(wav).max()
        parts += [wav / peak if peak > 1 else wav, np.zeros(pause_samples, dtype=wav.dtype)]
    return np.concatenate(parts)


def pcm16(samples: np.ndarray, *, wrap: bool = False) -> np.ndarray:
    """Return samples as 16-bit integers.

    Args:
        samples: Floats, full scale at 1.
        wrap: Let a sample of exactly 1 become the most negative number, as the reference does: an audible click.
    """
    scaled = np.asarray(samples, dtype=np.float32) * FULL_SCALE
    if wrap:
        return scaled.astype(np.int32).astype(np.int16)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def cross_fade(first: np.ndarray, second: np.ndarray, overlap: int, search: int = 320) -> np.ndarray:
    """Join two waveforms that overlap, at the offset where they agree best (SOLA: Roucos and Wilgus 1985).

    Args:
        first: Samples `[n]`, float32.
        second: Samples `[m]` that begin about `overlap` before the first one's end.
        overlap: Length of the fade.
        search: Offsets of the second one that are tried.

    Returns:
        Samples `[n + m - overlap - offset]`.
    """
    tail, head = first[-overlap:], second[: overlap + search]
    likeness = np.correlate(head, tail, "valid")
    energy = np.correlate(np.square(head), np.ones(overlap, dtype=head.dtype), "valid")
    offset = int((likeness / np.sqrt(energy + 1e-8)).argmax())
    fall = (0.5 + 0.5 * np.cos(np.pi * np.arange(overlap) / overlap)).astype(first.dtype)
    second = second[offset:]
    faded = (1 - fall) * second[:overlap] + fall * tail
    return np.concatenate([first[:-overlap], faded, second[overlap:]])
