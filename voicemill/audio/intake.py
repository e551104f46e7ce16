"""Decide which of a user's files become recordings."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.audio import probing, reading, speech
from voicemill.audio.recordings import display
from voicemill.contract.ledger import SKIPPED
from voicemill.core.unreadable import as_input_error
from voicemill.errors import InputError

# GPT-SoVITS trains on no shorter clip.
MIN_SECONDS = 0.6
# What lies beside recordings on purpose. A recording under such a name is still taken: the content is looked at.
COMPANIONS = {".csv", ".tsv", ".list", ".txt", ".json", ".jsonl", ".md", ".lab", ".textgrid", ".srt", ".vtt", ".lrc"}
LITTER = {".ds_store", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class SourceFile:
    """A file below the source.

    Attributes:
        path: Where it is.
        name: Path relative to the source, as text.
    """

    path: Path
    name: str


def files_in(source: Path) -> list[SourceFile]:
    """Every file below a folder, hidden ones too, or the one file that the source is; ordered by name."""
    if source.is_file():
        return [SourceFile(source, display(source.name))]
    return sorted(_walk(source), key=lambda file: file.name)


def _walk(folder: Path) -> Iterator[SourceFile]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            yield SourceFile(path, display(path.relative_to(folder)))


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
        track: Which of its sound tracks, from 1; 0 takes the one with speech (see `reading.read`).

    Returns:
        Mono or stereo at the file's own rate; more channels are mixed down.

    Raises:
        InputError: It is not audio, cannot be read, is too short, or nobody speaks in it.
    """
    if is_companion(path):
        raise InputError(f"{SKIPPED}not audio by design (a transcript, notes or a system file beside the recordings)")
    audio = reading.read(path, track)
    if audio.seconds < MIN_SECONDS:
        raise InputError(f"too short: {audio.seconds:.2f} s, a clip needs at least {MIN_SECONDS} s{_remarks(audio)}")
    mono, note = reading.to_mono(audio.samples)
    if not np.any(mono):
        raise InputError(f"no speech: every sample is zero{_remarks(audio)}")
    if not speech.has_speech(mono, audio.rate):
        raise InputError(f"no speech: only silence, noise or music was found in it{_remarks(audio)}")
    if audio.channels <= 2:
        return audio
    mixed = note or f"{audio.channels} channels were mixed down to one"
    return reading.Audio(mono[None], audio.rate, (*audio.notes, mixed))


def _remarks(audio: reading.Audio) -> str:
    return f" ({'; '.join(audio.notes)})" if audio.notes else ""
