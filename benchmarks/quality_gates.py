"""How well the gates `auto` of dereverb and denoise decide: confusion tables over speech samples.

    python -m benchmarks.quality_gates ../shared/data

Two sets: the folder's own recordings and mixtures (by its index.csv), and mixtures made here of its clean speakers with
synthetic rooms (exponential decay, known reverberation time) and with noise (known SNR). Recordings on which either
decision is right (20 dB SNR, T = 0.3 s) are counted apart.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from voicemill.audio import quality, reading

RATE = quality.RATE
ROOMS = ((0.3, 5.0), (0.5, 0.0), (0.6, 4.0), (1.2, 2.0))
SNRS_DB = (0.0, 10.0, 20.0)
CLEAN_FOLDERS = ("en_lj", "en_kathleen", "zh_s0150", "en_libri2609_under2min")

# What is right: (dereverb, denoise), None where either is.
Truth = tuple[bool | None, bool | None]


def room(time: float, direct_to_reverberant_db: float, rng: np.random.Generator) -> np.ndarray:
    """Return an impulse response with the direct sound at sample 0 and a tail that falls by 60 dB in `time` seconds."""
    tail = rng.standard_normal(int(time * RATE)) * 10 ** (-3 * np.arange(int(time * RATE)) / (time * RATE))
    tail[0] = 0
    response = tail * np.sqrt(10 ** (-direct_to_reverberant_db / 10) / np.sum(tail**2))
    response[0] = 1
    return response


def noise(samples: int, low_pass: float, rng: np.random.Generator) -> np.ndarray:
    """White noise (`low_pass` 0) or noise that leans to low frequencies, of power 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    tilted = spectrum / (1 + low_pass * np.arange(len(spectrum)) / len(spectrum) * 50)
    shaped = np.fft.irfft(tilted, samples)
    return shaped / shaped.std()


def own(data: Path) -> Iterator[tuple[str, Truth, np.ndarray]]:
    for row in csv.DictReader((data / "index.csv").open(encoding="utf-8")):
        parts = Path(row["path"]).parts
        is_speech = parts[0] in CLEAN_FOLDERS and row["path"].endswith(".flac")
        is_mixture = parts[0] == "hard" and parts[1] in ("noise", "reverb", "combined", "music")
        if not (is_speech or is_mixture) or "_target" in row["path"]:
            continue
        truth: Truth = (False, False)
        group = parts[0]
        if is_mixture:
            name = Path(row["path"]).stem
            group = f"hard/{parts[1]}"
            if parts[1] == "noise":
                truth = (False, None if name.endswith("20dB") else True)
            elif parts[1] == "reverb":
                truth = (None if "0.3s" in name else True, False)
            elif parts[1] == "combined":
                truth = (None, True)
            else:
                truth = (None, None)
        yield group, truth, reading.read_mono(data / row["path"], RATE)


def made(data: Path, each: int) -> Iterator[tuple[str, Truth, np.ndarray]]:
    rng = np.random.default_rng(0)
    for folder in CLEAN_FOLDERS:
        for path in sorted((data / folder).glob("*.flac"))[:each]:
            clean = reading.read_mono(path, RATE)
            for time, ratio in ROOMS:
                wet = np.convolve(clean, room(time, ratio, rng))[: len(clean)].astype(np.float32)
                yield f"made: T {time} s", (None if time < 0.5 else True, False), wet
            for snr in SNRS_DB:
                for kind, low_pass in (("white", 0.0), ("low", 1.0)):
                    added = noise(len(clean), low_pass, rng) * clean.std() * 10 ** (-snr / 20)
                    needed = None if snr >= 20 else True
                    yield f"made: {kind} {snr:g} dB", (False, needed), (clean + added).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of speech samples with an index.csv")
    parser.add_argument("--each", type=int, default=6, help="clean recordings of each speaker to make mixtures of")
    arguments = parser.parse_args()
    rows: dict[str, list[tuple[Truth, quality.Quality]]] = defaultdict(list)
    for source in (own(arguments.data), made(arguments.data, arguments.each)):
        for group, truth, samples in source:
            rows[group].append((truth, quality.measure(samples, RATE)))

    print(f"thresholds: BAK < {quality.NOISY_BAK}, decay < {quality.REVERBERANT_DECAY:g} dB/s\n")
    print(f"{'group':24} {'n':>3}  {'BAK':>11}  {'decay dB/s':>11}  {'not clear':>9}  dereverb  denoise")
    for group, found in rows.items():
        baks = [row.bak for _, row in found]
        decays = [row.decay for _, row in found if row.decay is not None]
        span = f"{min(decays):.0f} - {max(decays):.0f}" if decays else "-"
        counts = f"{sum(row.reverberant for _, row in found):>8}  {sum(row.noisy for _, row in found):>7}"
        unclear = len(found) - len(decays)
        print(f"{group:24} {len(found):>3}  {min(baks):4.2f} - {max(baks):4.2f}  {span:>11}  {unclear:>9}  {counts}")
    for index, gate in enumerate(("dereverb", "denoise")):
        print(f"\n{gate:20} {'goes through':>14} {'passes by':>10}")
        for wanted, label in ((True, "needs it"), (False, "does not"), (None, "either is right")):
            decided = [
                (quality_.reverberant, quality_.noisy)[index]
                for found in rows.values()
                for truth, quality_ in found
                if truth[index] is wanted
            ]
            print(f"{label:20} {sum(decided):>14} {len(decided) - sum(decided):>10}")


if __name__ == "__main__":
    main()
