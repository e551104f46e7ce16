"""Run the benchmarks one after the other: `python -m benchmarks [--data DIR]`.

DIR is a folder of speech samples with an index.csv, and a folder en_lj with transcripts.csv; the benchmarks that need
it are left out, and named, without.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def commands(data: Path | None) -> list[list[str]]:
    """Return the modules to run and their arguments; those that need recordings only where there are some."""
    runs = [["text"], ["bulk"], ["synthesis"], ["training"]]
    if data:
        speaker = data / "en_lj"
        clip = sorted(speaker.glob("*.flac"))[0]
        runs += [["quality_gates", str(data)], ["recognition", str(speaker)], ["overfit", str(clip)]]
        runs += [["quality", "--speaker", str(speaker), "--out", "runs/quality"]]
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path)
    data = parser.parse_args().data
    failed = []
    for name, *arguments in commands(data):
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments]).returncode:
            failed.append(name)
    if not data:
        print("\nleft out without --data: quality_gates, recognition, overfit, quality")
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
