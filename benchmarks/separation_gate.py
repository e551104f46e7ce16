"""How well `separate` decides which recordings have music or noise behind the voice: a confusion table.

    python -m benchmarks.separation_gate ../shared/data [--most 3]

Recordings of about 20 s, made of each clean speaker's clips one after the other, and the same mixed with music (that of
the folder music/, and chords and drums that the script makes) and with white and low noise, at 10, 20 and 30 dB below
the speech; music also under the first quarter of a minute only, at 20 dB. The mixtures of hard/music and hard/combined
come on top. What lies 30 dB below may be decided either way. Missing music costs the voice, separating a clean
recording only time: what was missed is counted ten times.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.quality_gates import CLEAN_FOLDERS, noise
from voicemill.audio import background, reading

RATE = background.RATE
SECONDS = 20
BELOW_DB = (10, 20, 30)
MISSED_COUNTS = 10


@dataclass
class Row:
    """What was measured of a group; `needs` is None where either decision is right."""

    needs: bool | None
    found: list[background.Background] = field(default_factory=list)


def recordings(folder: Path, most: int) -> list[np.ndarray]:
    """Clips of a speaker one after the other, in recordings of 20 s."""
    made: list[np.ndarray] = []
    clips: list[np.ndarray] = []
    for path in sorted(folder.glob("*.flac")):
        clips.append(reading.read_mono(path, RATE))
        if sum(map(len, clips)) >= SECONDS * RATE:
            made.append(np.concatenate(clips))
            clips = []
    return made[:most]


def chords(samples: int, rng: np.random.Generator, *, drums: bool) -> np.ndarray:
    """Decaying chords of two seconds, with or without drums."""
    time = np.arange(samples) / RATE
    beat, bar = time % 0.5, time % 2
    roots = np.array([220.0, 174.6, 196.0, 146.8])[(time // 2).astype(int) % 4]
    music = np.zeros(samples)
    for interval in (1, 1.25, 1.5):
        for partial in range(1, 6):
            music += np.sin(2 * np.pi * roots * interval * partial * bar) / partial**1.5 * np.exp(-0.6 * bar)
    return music + (2 * rng.standard_normal(samples) * np.exp(-beat / 0.02) if drums else 0)


def mixed(voice: np.ndarray, other: np.ndarray, below_db: float) -> np.ndarray:
    """Add something to a voice, so many dB below it."""
    other = np.resize(other, len(voice))
    return (voice + other * voice.std() / other.std() * 10 ** (-below_db / 20)).astype(np.float32)


def cases(data: Path, most: int) -> Iterator[tuple[str, bool | None, np.ndarray]]:
    """Groups, whether they need separation, and samples."""
    rng = np.random.default_rng(0)
    length = SECONDS * RATE
    others = {path.stem: reading.read_mono(path, RATE) for path in sorted((data / "music").glob("*.flac"))}
    others |= {"chords": chords(length, rng, drums=False), "chords, drums": chords(length, rng, drums=True)}
    others |= {"white noise": noise(length, 0.0, rng), "low noise": noise(length, 1.0, rng)}
    for folder in CLEAN_FOLDERS:
        for voice in recordings(data / folder, most):
            yield f"clean: {folder}", False, voice
            for name, other in others.items():
                for below in BELOW_DB:
                    yield f"{name}, {below} dB below", None if below >= 30 else True, mixed(voice, other, below)
            jingle = np.concatenate([mixed(voice, others["chords, drums"], 20)[: len(voice) // 2], voice, voice])
            yield "music under the beginning, 20 dB below", True, jingle
    for path in sorted([*(data / "hard/music").glob("*.flac"), *(data / "hard/combined").glob("*.flac")]):
        if "_target" not in path.name:
            yield f"hard/{path.parent.name}", True, reading.read_mono(path, RATE)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of speech samples")
    parser.add_argument("--most", type=int, default=3, help="recordings of each speaker")
    arguments = parser.parse_args()
    rows: dict[str, Row] = defaultdict(lambda: Row(None))
    for group, needs, samples in cases(arguments.data, arguments.most):
        rows[group].needs = needs
        rows[group].found.append(background.measure(samples, RATE))
    print(f"separated above {background.LOUDEST_CLEAN_DB:g} dB, or where DNSMOS finds noise\n")
    print("| recordings | needs it | background, dB | by level | by DNSMOS | passed by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for group, row in rows.items():
        levels = [each.level_db for each in row.found]
        by_level = sum(each.quality is None for each in row.found)
        by_dnsmos = sum(each.needs_separation for each in row.found) - by_level
        passed = len(row.found) - by_level - by_dnsmos
        needs = {True: "yes", False: "no", None: "either"}[row.needs]
        span = f"{min(levels):.0f} to {max(levels):.0f}"
        print(f"| {group} | {needs} | {span} | {by_level} | {by_dnsmos} | {passed} |")
    print("\n| threshold, dB | missed | separated for nothing | cost |")
    print("| --- | --- | --- | --- |")
    for threshold in range(-40, -23, 2):
        missed, needless = errors(rows.values(), threshold)
        print(f"| {threshold} | {missed} | {needless} | {MISSED_COUNTS * missed + needless} |")


def errors(rows: Iterable[Row], threshold: float) -> tuple[int, int]:
    """Return how many are missed and how many separated for nothing by the level alone."""
    found = [(row.needs, each.level_db > threshold) for row in rows for each in row.found]
    return found.count((True, False)), found.count((False, True))


if __name__ == "__main__":
    main()
