"""Whether one speaker is taken for several, and two for one, on folders of recordings of one speaker each.

    python -m benchmarks.speakers ../shared/data/en_lj ../shared/data/en_kathleen ../shared/data/zh_s0150 [--also DIR]

Each folder alone should have one speaker. Then every pair of folders: twelve recordings of one with twelve and with two
of the other, each way round. `--also` names a folder of single recordings by other people, each of which is put among
twenty of every speaker. Every figure is given for a range of thresholds.
"""

from __future__ import annotations

import argparse
from functools import cache
from itertools import permutations
from pathlib import Path

from voicemill.audio.reading import read_mono
from voicemill.core.errors import InputError
from voicemill.evaluation.speaker_similarity import embed_windows
from voicemill.evaluation.speakers import LEAST_SECONDS, SAME_SPEAKER, Windows, find_speakers

_RATE = 16_000
_THRESHOLDS = (0.55, 0.60, 0.65, SAME_SPEAKER, 0.70, 0.75, 0.80)


@cache
def windows(path: Path) -> Windows:
    """Return the windows of a recording."""
    return Windows(*embed_windows(read_mono(path, _RATE), _RATE))


def recordings(folder: Path) -> list[Path]:
    """Return the recordings of a folder that can be read and hold enough speech to count as a person."""
    found = []
    for path in sorted(folder.iterdir()):
        try:
            heard = windows(path)
        except InputError:
            continue
        if len(heard.embeddings) * heard.seconds >= LEAST_SECONDS:
            found.append(path)
    return found


def count(paths: list[Path], threshold: float) -> int:
    """Return how many speakers are found in some recordings."""
    return len(find_speakers({str(path): windows(path) for path in paths}, threshold).voices)


def distinguished(one: list[Path], other: list[Path], threshold: float) -> bool:
    """Return whether exactly two speakers are found, and each recording goes to the one that it is of."""
    found = find_speakers({str(path): windows(path) for path in [*one, *other]}, threshold)
    first, second = ({found.main(str(path)) for path in paths} for paths in (one, other))
    return len(found.voices) == 2 and len(first) == len(second) == 1 and first != second


def main() -> None:
    """Print a line for each threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--also", type=Path)
    given = parser.parse_args()
    speakers = {folder.name: recordings(folder) for folder in given.folders}
    others = recordings(given.also) if given.also else []
    print("| threshold | one speaker taken for several | 12 and 12 distinguished | 12 and 2 distinguished | 20 and 1 |")
    print("| --- | --- | --- | --- | --- |")
    for threshold in _THRESHOLDS:
        split = [name for name, paths in speakers.items() if count(paths, threshold) > 1]
        pairs = list(permutations(speakers.values(), 2))
        even = sum(distinguished(one[:12], other[:12], threshold) for one, other in pairs)
        few = sum(distinguished(one[:12], other[-2:], threshold) for one, other in pairs)
        single = [(paths[:20], [path]) for paths in speakers.values() for path in others]
        alone = sum(distinguished(one, other, threshold) for one, other in single)
        print(
            f"| {threshold:.2f} | {len(split)} of {len(speakers)} {' '.join(split)} | {even} of {len(pairs)} "
            f"| {few} of {len(pairs)} | {alone} of {len(single)} |"
        )


if __name__ == "__main__":
    main()
