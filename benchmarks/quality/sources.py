"""Where sentences and recordings come from: our own sentences, a speaker's folder, a list of prompts and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.measures import Sentence
from voicemill.audio import intake, reading
from voicemill.core.errors import InputError
from voicemill.dataset import labels
from voicemill.report.collect import json_lines
from voicemill.synthesis.script import read_lines

SENTENCES = Path(__file__).with_name("sentences.txt")
SET_ASIDE = Path(__file__).with_name("set_aside.txt")
"""Thirty more, by which nothing was chosen: what a figure is worth that was improved by the others."""
_LIST_FORM = ("utt", "prompt_text", "prompt_wav", "text")


def sentences(file: Path = SENTENCES) -> list[str]:
    """Return the sentences to speak: a text file with one a line.

    Raises:
        InputError: A line is empty or the file is not text.
    """
    return [line.settings()["text"] for line in read_lines(file)]


def recordings(folder: Path) -> list[Path]:
    """Return the recordings of a speaker, ordered by name; transcripts and notes beside them are left out.

    Raises:
        InputError: There is none.
    """
    found = [file.path for file in intake.files_in(folder) if not intake.is_companion(file.path)]
    if not found:
        raise InputError(f"{folder} holds no recordings of the speaker")
    return found


def transcripts(folder: Path) -> dict[Path, labels.Label]:
    """What is said in a speaker's recordings, from transcripts.csv or the one .list file; nothing if there is neither.

    Raises:
        InputError: The file has mistakes, or there are several .list files.
    """
    lists = sorted(folder.glob("*.list"))
    table = folder / "transcripts.csv"
    if not table.is_file() and len(lists) > 1:
        raise InputError(f"{folder} has {len(lists)} .list files; leave the one that is to be used")
    source = table if table.is_file() else next(iter(lists), None)
    return {folder / label.name: label for label in labels.read(source)} if source else {}


def spoken_by(folder: Path) -> list[Sentence]:
    """Return the recordings of a speaker as sentences, with their words where somebody wrote them down."""
    known = transcripts(folder)
    return [Sentence(path.stem, known[path].text if path in known else None, path) for path in recordings(folder)]


def spoken_lines(folder: Path) -> list[Sentence]:
    """Return what synthesize has spoken: the rows of its manifest.

    Raises:
        InputError: There is none.
    """
    rows = json_lines(folder / "manifest.jsonl")
    if not rows:
        raise InputError(f"{folder} was not written by synthesize: manifest.jsonl is missing or empty")
    return [Sentence(Path(row["file"]).stem, row["text"], folder / row["file"]) for row in rows]


def whole_clips(seconds: Mapping[Path, float], minutes: float) -> list[Path]:
    """Return the first recordings that last so long together; fewer minutes take a part of what more minutes take.

    Args:
        seconds: Length of each recording, in the order in which they are taken.
        minutes: How long at least.

    Raises:
        InputError: All of them are shorter.
    """
    taken, total = [], 0.0
    for path, length in seconds.items():
        if total >= 60 * minutes:
            break
        taken.append(path)
        total += length
    if total < 60 * minutes:
        raise InputError(f"the recordings last {total / 60:.1f} minutes, not {minutes:g}; ask for less or add some")
    return taken


def lengths(files: Sequence[Path]) -> dict[Path, float]:
    """Return the length of each recording in seconds, in the same order."""
    return {path: reading.read(path).seconds for path in files}


@dataclass(frozen=True)
class Prompted:
    """A line of a list: a text to speak as the prompt does.

    Attributes:
        name: Names it.
        prompt_text: What is said in the prompt.
        prompt: The recording to imitate.
        text: What to say.
        spoken: A recording in which the speaker says it, where the list names one.
    """

    name: str
    prompt_text: str
    prompt: Path
    text: str
    spoken: Path | None = None


def read_list(path: Path) -> list[Prompted]:
    """Read a list in the form of seed-tts-eval: `utt|prompt_text|prompt_wav|text` and perhaps `|wav` a line.

    Files are named from where the list lies.

    Raises:
        InputError: A line has another form, or a name comes twice; names the line.
    """
    rows: dict[str, Prompted] = {}
    for line in read_lines(path):
        fields = [field.strip() for field in line.raw.split("|")]
        if len(fields) not in (len(_LIST_FORM), len(_LIST_FORM) + 1) or not all(fields):
            raise InputError(f"{path.name}: line {int(line.name)} is not of the form {'|'.join(_LIST_FORM)}")
        name, prompt_text, prompt, text, *spoken = fields
        # It names a file.
        name = Path(name).stem
        if name in rows:
            raise InputError(f"{path.name}: line {int(line.name)} has the name {name} for the second time")
        rows[name] = Prompted(
            name, prompt_text, path.parent / prompt, text, path.parent / spoken[0] if spoken else None
        )
    return list(rows.values())
