"""Decide which of a user's files become recordings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.audio import probing, reading, speech
from voicemill.contract.ledger import SKIPPED
from voicemill.core.display import path_text
from voicemill.core.errors import InputError
from voicemill.core.folders import Found, walk
from voicemill.core.unreadable import as_input_error

# GPT-SoVITS trains on no shorter clip.
MIN_SECONDS = 0.6
# What lies beside recordings on purpose. A recording under such a name is still taken: the content is looked at.
COMPANIONS = {".csv", ".tsv", ".list", ".txt", ".json", ".jsonl", ".md", ".lab", ".textgrid", ".srt", ".vtt", ".lrc"}
LITTER = {".ds_store", "thumbs.db", "desktop.ini"}

_GROWTH = {".wav": 2, ".aif": 2, ".aiff": 2, ".w64": 2, ".caf": 2, ".flac": 6}
"""How many times its bytes a file's samples take in float32."""
_COMPRESSED = 50


@dataclass(frozen=True)
class SourceFile:
    """A file below the source.

    Attributes:
        path: Where it is.
        name: Path relative to the source, as text.
        problem: Why it is not a recording, where that is known before it is read: a sentence for the ledger.
    """

    path: Path
    name: str
    problem: str = ""


def files_in(source: Path) -> list[SourceFile]:
    """Everything below a folder, hidden files too, or the one file that the source is; ordered by name.

    Linked folders are followed, each folder is read once. Pipes, devices, links that lead nowhere, and what may not be
    read have a `problem`, as have linked folders that are not followed and the folders of voicemill's own runs.
    """
    if source.is_file():
        return [SourceFile(source, path_text(source.name))]
    found = list(walk(source))
    runs = _runs(found)
    files = [SourceFile(each.path, path_text(each.name), _reason(each)) for each in found if not _is_in(each, runs)]
    files += [SourceFile(source / run, path_text(run), f"{SKIPPED}the folder of a voicemill run") for run in runs]
    return sorted(files, key=lambda file: file.name)


def _runs(found: list[Found]) -> set[Path]:
    """Folders of voicemill's runs among these: what a run made of recordings is not recorded anew."""
    names = {each.name for each in found}
    folders = {Path(name).parent for name in names if Path(name).name == "run.jsonl"} - {Path()}
    return {folder for folder in folders if f"{folder}/run.json" in names}


def _is_in(file: Found, folders: set[Path]) -> bool:
    return not folders.isdisjoint(Path(file.name).parents)


def _reason(found: Found) -> str:
    return SKIPPED + found.problem if found.is_elsewhere else found.problem


def decoded_size(file: SourceFile) -> int:
    """Return about how many bytes a file's samples take once they are read, by its size and suffix."""
    try:
        size = file.path.stat().st_size
    except OSError:
        return 0  # `take` says what is wrong with it
    return size * _GROWTH.get(file.path.suffix.lower(), _COMPRESSED)


def is_companion(path: Path) -> bool:
    """Whether a file is known not to be audio: a transcript or notes beside it, or an operating system's litter."""
    if path.name.lower() in LITTER or path.name.startswith("._"):
        return True
    if path.suffix.lower() not in COMPANIONS:
        return False
    with as_input_error(path.name), path.open("rb") as stream:
        head = stream.read(probing.SNIFFED)
    return not head or probing.is_text(head)


def take(path: Path, track: int = 0) -> reading.Audio:
    """Read a file and make sure that it can be used.

    Args:
        path: Any file.
        track: Which of its audio tracks, from 1; 0 takes the one with speech (see `reading.read`).

    Returns:
        Mono or stereo at the file's own rate; more channels are mixed down.

    Raises:
        InputError: It is not audio, cannot be read, is too short, or nobody speaks in it.
    """
    if is_companion(path):
        raise InputError(f"{SKIPPED}not audio by design (a transcript, notes or a system file beside the recordings)")
    audio = reading.read(path, track)
    if audio.seconds < MIN_SECONDS:
        raise InputError(f"too short: {audio.seconds:.2f} s; a clip needs at least {MIN_SECONDS} s{_remarks(audio)}")
    mono, note = reading.to_mono(audio.samples)
    if not np.any(mono):
        raise InputError(f"no speech: every sample is zero{_remarks(audio)}")
    if not speech.has_speech(mono, audio.rate):
        raise InputError(f"no speech: only silence, noise or music was found in it{_remarks(audio)}")
    if audio.channels <= 2:
        return audio
    mixed = note or f"{audio.channels} channels were downmixed to mono"
    return reading.Audio(mono[None], audio.rate, (*audio.notes, mixed))


def _remarks(audio: reading.Audio) -> str:
    return f" ({'; '.join(audio.notes)})" if audio.notes else ""
