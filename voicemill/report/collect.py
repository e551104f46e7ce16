"""What the page tells, gathered from the folders that the stages left; any of them may be missing."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ORDER = (
    "ingest", "separate", "measure", "dereverb", "denoise", "level", "slice", "transcribe", "revise", "format",
    "train-sovits", "train-gpt", "evaluate", "publish", "synthesize",
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
class StageRow:
    """What a stage kept and dropped, from its ledger."""

    name: str
    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]

    @property
    def seconds(self) -> float:
        return sum(float(entry.get("seconds", 0)) for entry in self.kept)

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
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            name = entry.get("stage", file.stem)
            row = rows.setdefault(name, StageRow(name, [], []))
            (row.kept if entry["outcome"] == "kept" else row.dropped).append(entry)
    known = {name: position for position, name in enumerate(ORDER)}
    return sorted(rows.values(), key=lambda row: (known.get(row.name, len(known)), row.name))


def cleaning_states(run: Run) -> dict[str, list[tuple[str, Path]]]:
    """For each recording the states it went through, as (stage, file), from the original to the levelled one."""
    folders = {
        "original": run.audio,
        "separate": run.vocals,
        "dereverb": run.dereverbed,
        "denoise": run.denoised,
        "level": run.levelled,
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
        for name, value in row.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if name not in ("step", "epoch") and is_number:
                series.setdefault(name, []).append((float(row["step"]), float(value)))
    moving = {name: points for name, points in series.items() if len({value for _, value in points}) > 1}
    return dict(sorted(moving.items(), key=lambda item: (not item[0].startswith("loss"), item[0])))


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON-lines file; none if it does not exist."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def json_file(folder: Path | None, name: str) -> Any:
    """A JSON file of a folder, or None if there is no such folder or file."""
    path = folder / name if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else None
