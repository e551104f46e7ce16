"""What the page tells, gathered from the folders that the stages left; any of them may be missing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from voicemill.core import untrusted

T = TypeVar("T")

ORDER = (
    "ingest", "separate", "assess-quality", "dereverb", "denoise", "normalize", "slice", "identify-speakers",
    "transcribe", "apply-review", "format", "train-sovits", "train-gpt", "evaluate", "publish", "synthesize",
)  # fmt: skip


@dataclass
class Run:
    """Folders and files of a run, and what to say about it; every one may be None."""

    audio: Path | None = None
    vocals: Path | None = None
    measures: Path | None = None
    dereverbed: Path | None = None
    denoised: Path | None = None
    levelled: Path | None = None
    clips: Path | None = None
    transcripts: Path | None = None
    sovits: Path | None = None
    gpt: Path | None = None
    evaluation: Path | None = None
    voice: Path | None = None
    speech: Path | None = None
    ledgers: Path | None = None
    speaker: str = ""
    status: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Transcript:
    """A clip's text as the page shows it; from transcripts.json."""

    clip: str
    seconds: float
    text: str = ""
    confidence: float | None = None
    flags: list[str] = field(default_factory=list)


@dataclass
class Pair:
    """Two evaluated checkpoints with a reference clip; from evaluation.json."""

    sovits: str
    gpt: str
    reference: str = ""
    error_rate: float | None = None
    similarity: float | None = None
    second_similarity: float | None = None
    pace_ratio: float | None = None
    ovrl: float | None = None
    score: float | None = None
    failing: float | None = None
    failing_interval: list[float] | None = None
    error_rate_interval: list[float] | None = None
    similarity_interval: list[float] | None = None
    second_similarity_interval: list[float] | None = None
    score_interval: list[float] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class StageRow:
    """What a stage kept and dropped, from its ledger."""

    name: str
    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]

    @property
    def seconds(self) -> float:
        return sum(as_number(entry.get("seconds")) or 0.0 for entry in self.kept)

    @property
    def reused_from(self) -> str:
        """The run that its outputs were taken over from; empty where it ran itself."""
        return str(next((entry["reused_from"] for entry in self.kept if "reused_from" in entry), ""))

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Reasons for dropping, most frequent first."""
        return Counter(str(entry.get("reason", "")) for entry in self.dropped).most_common()

    @property
    def kept_share(self) -> float:
        return len(self.kept) / max(len(self.kept) + len(self.dropped), 1)


def stage_rows(ledgers: Path | None) -> list[StageRow]:
    """Ledgers by stage, in the order of the workflow.

    Args:
        ledgers: A folder with ledgers (`*.jsonl`, one a stage or all in one), or one such file.
    """
    rows: dict[str, StageRow] = {}
    files = sorted(ledgers.rglob("*.jsonl")) if ledgers and ledgers.is_dir() else [ledgers] if ledgers else []
    for file in files:
        for entry in json_lines(file):
            name = str(entry.get("stage", file.stem))
            row = rows.setdefault(name, StageRow(name, [], []))
            (row.kept if entry.get("outcome") == "kept" else row.dropped).append(entry)
    known = {name: position for position, name in enumerate(ORDER)}
    return sorted(rows.values(), key=lambda row: (known.get(row.name, len(known)), row.name))


@dataclass
class SpeakerRow:
    """What a speaker says, as identify-speakers found it: in how many clips, of which so many were dropped."""

    number: int
    minutes: float = 0.0
    clips: int = 0
    dropped: int = 0


def speakers(stages: list[StageRow]) -> list[SpeakerRow]:
    """Return the speakers of the clips, the one with most speech first; none where nobody listened for them."""
    found: dict[int, SpeakerRow] = {}
    for stage in stages:
        for entry in [*stage.kept, *stage.dropped] if stage.name == "identify-speakers" else []:
            speech = entry.get("speech")
            for name, seconds in speech.items() if isinstance(speech, dict) else []:
                if not str(name).isdecimal():
                    continue
                row = found.setdefault(int(name), SpeakerRow(int(name)))
                row.minutes += (as_number(seconds) or 0.0) / 60
                row.clips += 1
                row.dropped += entry.get("outcome") == "dropped"
    return [found[number] for number in sorted(found)]


def separated(stages: list[StageRow]) -> int | None:
    """Return how many recordings went through separation; None where the ledger does not say, as earlier ones."""
    entries = [entry for stage in stages if stage.name == "separate" for entry in stage.kept if "separated" in entry]
    return sum(bool(entry["separated"]) for entry in entries) if entries else None


def cleaning_states(run: Run) -> dict[str, list[tuple[str, Path]]]:
    """For each recording the states it went through, as (stage, file), from the original to the levelled one."""
    folders = {
        "original": run.audio,
        "separate": run.vocals,
        "dereverb": run.dereverbed,
        "denoise": run.denoised,
        "normalize": run.levelled,
    }
    states: dict[str, list[tuple[str, Path]]] = {}
    for stage, folder in folders.items():
        for path in sorted(folder.glob("*.wav")) if folder and folder.is_dir() else []:
            states.setdefault(path.stem, []).append((stage, path))
    return states


def metric_series(weights: Path | None) -> dict[str, list[tuple[float, float]]]:
    """The curves of a training: by metric its points (step, value), losses first; what never changes is left out.

    Reads metrics.jsonl: rows of numbers with `step` and perhaps `epoch`.
    """
    rows = json_lines(weights / "metrics.jsonl") if weights else []
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        step = as_number(row.get("step"))
        for name, value in row.items():
            number = as_number(value)
            if name not in ("step", "epoch") and number is not None and step is not None:
                series.setdefault(name, []).append((step, number))
    moving = {name: points for name, points in series.items() if len({value for _, value in points}) > 1}
    return dict(sorted(moving.items(), key=lambda item: (not item[0].startswith("loss"), item[0])))


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file; none if it does not exist."""
    if not path.is_file():
        return []
    return [row for _, row in untrusted.read_json_lines(path, nan=True)]


def json_file(path: Path | None, expect: type[T]) -> T | None:
    """Return a JSON file, or None if there is none.

    Args:
        path: The file; None where the run has no such folder.
        expect: Its type, as in `untrusted.shaped`.

    Raises:
        InputError: It is damaged.
    """
    if not path or not path.is_file():
        return None
    return untrusted.shaped(expect, untrusted.read_json(path, object, nan=True), path)


def rows_of(kind: type[T], rows: list[dict[str, Any]], name: object) -> list[T]:
    """Return rows as a dataclass with the fields that the page shows; other fields are ignored.

    Raises:
        InputError: A field is missing or of another type.
    """
    known = {field.name for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    shown = ({key: value for key, value in row.items() if key in known} for row in rows)
    return [untrusted.shaped(kind, row, f"row {number} of {name}") for number, row in enumerate(shown, start=1)]


def as_number(value: object) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
