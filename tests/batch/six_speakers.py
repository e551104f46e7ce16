"""A batch of six speakers from the shared data with toy weights, killed half way and started again.

python -m tests.batch.six_speakers WORK     WORK is a folder that is not there yet; it takes about twenty minutes

One has less than two minutes, one has corrupt files among the good ones, one has music under the speech. The cluster's
tests make a batch of the same speakers.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from tests.batch.run_folders import alive, ended, runs_of
from tests.shared import SHARED
from voicemill.audio.resampling import resample
from voicemill.batch import state

TOO_SHORT = "libri2609"
SPEAKERS = ("lj", "kathleen", "s0150", TOO_SHORT, "corrupt", "music")
VOICES = len(SPEAKERS) - 1
SHORT = ("sovits-epochs=1", "gpt-epochs=1")
MUSIC_DB = -12.0
"""Level of the music below the speech."""


def write(folder: Path) -> Path:
    """Make the speakers' folders and a manifest of them.

    Args:
        folder: Where to; the manifest is `speakers.csv` in it.

    Returns:
        The manifest.
    """
    assert SHARED, "the speakers are in the shared data ($VOICEMILL_SHARED)"
    data = SHARED / "data"
    folders = {
        "lj": data / "en_lj",
        "kathleen": data / "en_kathleen",
        "s0150": data / "zh_s0150",
        TOO_SHORT: data / "en_libri2609_under2min",
        "corrupt": folder / "recordings" / "corrupt",
        "music": folder / "recordings" / "music",
    }
    _corrupt(data, folders["corrupt"])
    _with_music(data, folders["music"])
    rows = [f"{name},{folders[name]},{'zh' if name == 's0150' else 'en'}" for name in SPEAKERS]
    manifest = folder / "speakers.csv"
    manifest.write_text("\n".join(["speaker,source,language", *rows]) + "\n")
    return manifest


def _corrupt(data: Path, folder: Path) -> None:
    """Good recordings with broken ones among them."""
    folder.mkdir(parents=True)
    for file in [*sorted((data / "en_lj").glob("*.flac"))[:24], *sorted((data / "hard" / "broken").iterdir())]:
        shutil.copy(file, folder)


def _with_music(data: Path, folder: Path) -> None:
    """Speech with music under it, as in a broadcast."""
    folder.mkdir(parents=True)
    bed, bed_rate = soundfile.read(data / "music" / "instrumental_vibe_ace_12s.flac", always_2d=True, dtype="float32")
    for file in sorted((data / "en_lj").glob("*.flac"))[8:]:
        speech, rate = soundfile.read(file, dtype="float32")
        music = np.resize(resample(bed.mean(axis=1), bed_rate, rate), speech.shape)
        music *= np.std(speech) / np.std(music) * 10 ** (MUSIC_DB / 20)
        soundfile.write(folder / f"{file.stem}.flac", np.clip(speech + music, -1, 1), rate)


def main(work: Path) -> None:
    """Run the batch, kill it when half of the speakers are done, and run it again."""
    work = work.resolve()
    work.mkdir(parents=True)
    manifest, models, out = write(work), work / "toy", work / "out"
    voicemill = [sys.executable, "-m", "voicemill"]
    subprocess.run([*voicemill, "models", "toy", str(models)], check=True)
    parameters = [word for pair in (*SHORT, f"models={models}") for word in ("-p", pair)]
    command = [*voicemill, "batch", str(manifest), "--out", str(out), *parameters, "--min-success-ratio", "0.8"]
    process = subprocess.Popen(command)
    while len(ended(out)) < len(SPEAKERS) // 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(1)
    process.kill()
    process.wait()
    before = {name: runs_of(out, name) for name in ended(out)}
    print(f"killed; ended by then: {before}", flush=True)
    while list(alive(out)):
        time.sleep(0.5)
    code = subprocess.run(command).returncode
    after = {name: runs_of(out, name) for name in SPEAKERS}
    print(f"ended with {code}; runs of each: {after}")
    rows = {row.speaker: row for row in state.states(state.read_batch(out), out)}
    print("\n".join(f"{row.speaker}: {row.outcome} {row.voice or row.reason}" for row in rows.values()))
    done = [name for name in before if rows[name].outcome == "voice"]
    assert code == 0 and all(after[name] == before[name] == 1 for name in done), "a finished speaker ran again"
    assert sum(row.outcome == "voice" for row in rows.values()) == VOICES and rows[TOO_SHORT].outcome == "failed"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
