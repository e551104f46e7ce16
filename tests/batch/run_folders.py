"""What a batch's folder shows of its runs, and which of their processes are alive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path


def ended(out: Path) -> list[str]:
    """Speakers whose run has ended."""
    return sorted(path.parent.name for path in out.glob("voices/*/.outcome"))


def runs_of(out: Path, speaker: str) -> int:
    """How often a speaker's run was begun."""
    lines = (out / "voices" / speaker / "run.jsonl").read_text().splitlines()
    return sum(json.loads(line)["event"] == "run" for line in lines)


def alive(out: Path) -> Iterator[int]:
    """Processes of the batch's runs."""
    mark = f"VOICEMILL_RUN={out}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                yield int(entry.name)
        except OSError:
            continue
