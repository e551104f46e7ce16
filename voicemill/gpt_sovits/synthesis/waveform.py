"""From decoded fragments to the samples of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FULL_SCALE = 32768


def join(fragments: Sequence[Tensor], pause_samples: int) -> Tensor:
    """Put fragments `[n]` one after the other.

    Args:
        fragments: Waveforms; one whose peak is above 1 is divided by it.
        pause_samples: Silence after every fragment, the last one too.
    """
    parts = []
    for wav in fragments:
        peak = float(wav.abs().max())
        parts += [wav / peak if peak > 1 else wav, wav.new_zeros(pause_samples)]
    return torch.cat(parts)


def pcm16(samples: Tensor | np.ndarray, *, wrap: bool = False) -> np.ndarray:
    """Return samples as 16-bit integers.

    Args:
        samples: Floats, full scale at 1.
        wrap: Let a sample of exactly 1 become the most negative number, as the reference does: an audible click.
    """
    scaled = np.asarray(samples, dtype=np.float32) * FULL_SCALE
    if wrap:
        return scaled.astype(np.int32).astype(np.int16)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def cross_fade(first: Tensor, second: Tensor, overlap: int, search: int = 320) -> Tensor:
    """Join two waveforms that overlap, at the offset where they agree best (SOLA: Roucos and Wilgus 1985).

    Args:
        first: Samples `[n]`, float32.
        second: Samples `[m]` that begin about `overlap` before the first one's end.
        overlap: Length of the fade.
        search: Offsets of the second one that are tried.

    Returns:
        Samples `[n + m - overlap - offset]`.
    """
    tail = first[-overlap:]
    head = second[: overlap + search].view(1, 1, -1)
    likeness = F.conv1d(head, tail.view(1, 1, -1)).flatten()
    energy = F.conv1d(head.square(), torch.ones(1, 1, overlap, dtype=tail.dtype, device=tail.device)).flatten()
    offset = int((likeness / (energy + 1e-8).sqrt()).argmax())
    rise, fall = torch.hann_window(2 * overlap, dtype=tail.dtype, device=tail.device).split(overlap)
    second = second[offset:]
    return torch.cat([first[:-overlap], rise * second[:overlap] + fall * tail, second[overlap:]])
