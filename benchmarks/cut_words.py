"""How well transcribe tells a clip that was cut in a word, on a folder of recordings of one speaker.

    python -m benchmarks.cut_words RECORDINGS...

Recordings are sliced as the stage slices them. Edges that the slicer chose count as whole; edges in the middle of loud
speech, drawn with a fixed seed, as cut.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from voicemill.asr.edges import cut_edges
from voicemill.audio import slicing
from voicemill.audio.reading import read_mono
from voicemill.core.errors import InputError

_FRAME = slicing.RATE // 100
_MAX_SECONDS = 8.0


def measure(folder: Path) -> tuple[int, int, int, int]:
    """Edges that the slicer chose, how many of them are flagged; edges cut on purpose, how many of them are flagged."""
    rng = np.random.default_rng(0)
    chosen = flagged = cut = found = 0
    for path in sorted(folder.iterdir()):
        try:
            samples = read_mono(path, slicing.RATE)
        except (InputError, OSError):
            continue
        for span, dropped in slicing.cut(samples, _MAX_SECONDS):
            if dropped:
                continue
            clip = samples[span.start : span.end]
            chosen, flagged = chosen + 2, flagged + len(cut_edges(clip, slicing.RATE))
            count = len(clip) // _FRAME
            power = np.square(clip[: count * _FRAME].astype(np.float64)).reshape(count, _FRAME).mean(axis=1)
            levels = 10 * np.log10(power + 1e-12)
            middle = np.arange(count // 5, count * 4 // 5)
            loud = middle[levels[middle] > np.quantile(levels, 0.9) - 15]
            for at in rng.choice(loud, min(2, len(loud))):
                cut += 1
                found += "cut-end" in cut_edges(clip[: at * _FRAME], slicing.RATE)
    return chosen, flagged, cut, found


def main(*folders: str) -> None:
    """Print a row for each folder."""
    for folder in folders:
        chosen, flagged, cut, found = measure(Path(folder))
        print(
            f"{Path(folder).name}: {flagged} of {chosen} edges that slice chose are flagged ({flagged / chosen:.1%}),",
            f"{found} of {cut} that were cut in speech ({found / cut:.1%})",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
