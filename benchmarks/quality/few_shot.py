"""How much speech a voice needs: voices of the first minutes of a speaker's recordings, by the clone-voice workflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
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
        minutes: Minutes of speech; each takes whole recordings, in the order of their names, until it has enough.
        parameters: `name=value` for clone-voice.
        out: Folder for recordings and runs.

    Raises:
        InputError: There are not so many minutes, or a run failed.
    """
    seconds = sources.lengths(sources.recordings(speaker))
    # UnreadableCheckpoint before the first training begins.
    taken = {amount: sources.whole_clips(seconds, amount) for amount in sorted(minutes)}
    summaries = []
    for amount, files in taken.items():
        title = f"{amount:g} min"
        folder = out / f"{amount:g}-minutes"
        _copy(files, folder / "recordings")
        _clone(folder / "recordings", bench.models, speaker.name, parameters, folder / "run")
        summaries.append(bench.measure(title, *bench.voice(folder / "run" / "voice")))
    return summaries


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
