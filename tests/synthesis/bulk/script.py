"""A script on disk, and what synthesize would leave of its shards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from voicemill.synthesis.bulk import Plan


def write_script(path: Path, rows: Iterable[dict[str, Any] | None]) -> Path:
    """JSON lines; None is an empty one."""
    path.write_text("".join((json.dumps(row) if row else "") + "\n" for row in rows))
    return path


def lines_of(plan: Path, shard: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (plan / f"{shard}.jsonl").read_text().splitlines()]


def write_ledgers(
    plan: Path, made: Plan, ledgers: Path, dropped: Callable[[str, int], bool] = lambda speaker, line: False
) -> Path:
    """The ledgers of a whole run that drops some lines."""
    ledgers.mkdir()
    for shard in made.shards:
        with (ledgers / f"{shard.shard}.jsonl").open("w") as file:
            for row in lines_of(plan, shard.shard):
                item = {"stage": "synthesize", "item": f"{row['line']:06d}"}
                if dropped(shard.speaker, row["line"]):
                    entry = {**item, "outcome": "dropped", "reason": "nothing to speak"}
                else:
                    said = {"language": "en", "speed": 1.0, "seed": row.get("seed", 0), "cut_off": 0}
                    version = f"version of {shard.voice}"
                    entry = {**item, "outcome": "kept", "file": f"{row['line']:06d}.wav", **said}
                    entry |= {"voice": version, "seconds": 2.0}
                file.write(json.dumps(entry) + "\n")
    return ledgers
