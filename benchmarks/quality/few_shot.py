"""How much speech a voice needs: voices of the first minutes of a speaker's recordings, by the clone-voice workflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.quality import sources
from benchmarks.quality.measures import Summary
from benchmarks.quality.speaking import Bench
from voicemill.core.errors import InputError


def measure_minutes(
    bench: Bench, speaker: Path, minutes: Sequence[float], parameters: Sequence[str], out: Path
) -> list[Summary]:
    """Clone the speaker from so many minutes each, and measure the voices.

    What was cloned before in the same folder is not cloned again.

    Args:
        bench: Measures.
        speaker: Folder of recordings.
        minutes: Minutes of speech; see `taken`.
        parameters: `name=value` for clone-voice.
        out: Folder for recordings and runs.

    Raises:
        InputError: A run failed.
    """
    summaries = []
    for title, files in taken(sources.lengths(sources.recordings(speaker)), minutes).items():
        folder = out / title.replace(" ", "-")
        _copy(files, folder / "recordings")
        _clone(folder / "recordings", bench.models, speaker.name, parameters, folder / "run")
        summaries.append(bench.measure_voice(title, folder / "run" / "voice"))
    return summaries


def taken(seconds: Mapping[Path, float], minutes: Sequence[float]) -> dict[str, list[Path]]:
    """Return which recordings each number of minutes takes: the first whole ones that last so long together.

    Where the recordings are shorter than a number, all of them are taken once in the place of it and of all larger
    ones.

    Args:
        seconds: Length of each recording, in the order in which they are taken.
        minutes: How many minutes each voice is cloned from.

    Returns:
        By title, such as `2 min` or `3.7 min (all)`.
    """
    total = sum(seconds.values()) / 60
    found = {f"{amount:g} min": sources.whole_clips(seconds, amount) for amount in sorted(minutes) if amount <= total}
    if any(amount > total for amount in minutes):
        found[f"{total:.1f} min (all)"] = list(seconds)
    return found


def _copy(files: Sequence[Path], folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for file in files:
        # Recordings of different subfolders may share a name.
        shutil.copyfile(file, folder / f"{file.parent.name}-{file.name}")


def _clone(recordings: Path, models: Path, speaker: str, parameters: Sequence[str], out: Path) -> None:
    given = [f"speaker={speaker}", f"source={recordings}", f"models={models}", "min-minutes=0", *parameters]
    command = [sys.executable, "-m", "voicemill", "run", "clone-voice", "--out", str(out)]
    ended = subprocess.run([*command, *(part for value in given for part in ("-p", value))])
    if ended.returncode:
        raise InputError(f"cloning from {recordings} ended with exit code {ended.returncode}; see {out}/report.html")
